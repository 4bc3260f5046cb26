//! What a reader of foreign content has to say about it: warnings and errors with file, line and
//! rule. Owns the type and its one-line rendering; refuses to decide what happens next.

use std::fmt;

/// How much a [`Finding`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Mended or harmless; the release goes ahead.
    Warning,
    /// The skill it belongs to cannot become a release until its author changes something.
    Error,
}

/// One remark about one file of a source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Finding {
    /// Warning or error.
    pub severity: Severity,
    /// Path inside the source, escaped for display; empty for the source as a whole.
    pub file: String,
    /// Line in that file, counted from 1, where one is known.
    pub line: Option<u32>,
    /// Stable name of the rule, e.g. `skill-name`.
    pub rule: &'static str,
    /// One sentence for the author: what was found, and what was done or is to be done.
    pub message: String,
}

impl Finding {
    /// A remark that does not stop the release.
    pub fn warning(file: &str, rule: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, file, rule, message.into())
    }

    /// A remark that stops the release of the skill it belongs to.
    pub fn error(file: &str, rule: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, file, rule, message.into())
    }

    fn new(severity: Severity, file: &str, rule: &'static str, message: String) -> Self {
        Self { severity, file: escape_path(file.as_bytes()), line: None, rule, message }
    }

    /// The same remark, pinned to a line (from 1).
    #[must_use]
    pub fn at(mut self, line: impl Into<Option<u32>>) -> Self {
        self.line = line.into();
        self
    }

    /// Whether it stops the release.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// `error: skills/x/SKILL.md:3: message [rule]`: one line, no control characters, fit for a
/// `remote:` line.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{word}: ")?;
        if !self.file.is_empty() {
            f.write_str(&self.file)?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
            f.write_str(": ")?;
        }
        // The message may quote an author's words.
        let message = crate::plain_text::one_line(&self.message);
        write!(f, "{message} [{}]", self.rule)
    }
}

/// A path for a person's eyes: printable characters as they are, everything else as `\u{…}` or
/// `\xNN`, so that no path can forge output or hide.
pub fn escape_path(path: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '\\' {
                out.push_str("\\\\");
            } else if crate::plain_text::is_unprintable(c) {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            } else {
                out.push(c);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_that_names_file_line_and_rule() {
        let finding = Finding::error("skills/a\n\u{202e}b/SKILL.md", "rule", "two\nlines").at(3);
        assert_eq!(finding.to_string(), "error: skills/a\\u{a}\\u{202e}b/SKILL.md:3: two lines [rule]");
    }

    #[test]
    fn escaping_is_reversible_to_the_eye() {
        assert_eq!(escape_path(b"a\\b\xff"), "a\\\\b\\xff");
        assert_eq!(escape_path("caf\u{e9}.md".as_bytes()), "caf\u{e9}.md");
    }
}
