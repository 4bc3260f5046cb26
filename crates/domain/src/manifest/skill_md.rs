//! SKILL.md: what it says, and the form in which every client reads it the same. Owns its mending
//! (docs/agents.md, section 5); refuses to drop a key or a word of the body.
//!
//! A description longer than clients take is shortened at a word in the frontmatter, and stands in
//! full as the first paragraph of the body: an agent that loads the skill still reads all of it.

use super::frontmatter::{self, Field, Page};
use super::yaml::{self, Yaml};
use crate::client_name;
use crate::finding::Finding;
use crate::plain_text;
use crate::version::Written;

/// Longest description that every client takes, in UTF-16 units.
pub const MAX_DESCRIPTION: usize = 1024;
/// Longest `compatibility`, in UTF-16 units.
pub const MAX_COMPATIBILITY: usize = 500;
/// Largest SKILL.md that is read, in bytes.
pub const MAX_BYTES: u64 = 2 << 20;

/// A SKILL.md as read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SkillMd {
    /// Path of the file inside the source.
    pub file: String,
    /// Every key, in its author's order.
    pub fields: Vec<Field>,
    /// The markdown after the frontmatter.
    pub body: String,
    /// What was mended in reading.
    pub findings: Vec<Finding>,
}

/// Keys of the specification, which some authors write with a capital.
const KNOWN_KEYS: [&str; 6] =
    ["name", "description", "license", "compatibility", "allowed-tools", "metadata"];

/// Reads a SKILL.md. Never fails; what is wrong is told in the findings.
pub fn read(bytes: &[u8], file: &str) -> SkillMd {
    let Page { mut fields, body, remarks } = frontmatter::read(bytes);
    let mut findings: Vec<Finding> = remarks
        .into_iter()
        .map(|remark| Finding::warning(file, remark.rule, remark.message).at(remark.line))
        .collect();
    for at in 0..fields.len() {
        let lower = fields[at].key.to_ascii_lowercase();
        let taken = fields.iter().any(|field| field.key == lower);
        if !taken && KNOWN_KEYS.contains(&lower.as_str()) {
            let message = format!("`{}` was read as `{lower}`", fields[at].key);
            findings.push(Finding::warning(file, "frontmatter-key", message).at(fields[at].line));
            fields[at].key = lower;
        }
    }
    SkillMd { file: file.to_owned(), fields, body, findings }
}

impl SkillMd {
    fn field(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.key == key)
    }

    /// The text of a key; a list or mapping is read as its words.
    fn text(&self, key: &str) -> Option<String> {
        let text = self.field(key)?.value.flat_text();
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Its `name`, as written.
    pub fn name(&self) -> Option<String> {
        self.text("name")
    }

    /// Its description: the key's, else the first paragraph of the body, else its first heading;
    /// `None` when there is nothing that could tell an agent when to use it.
    pub fn description(&self) -> Option<String> {
        self.text("description").or_else(|| first_words(&self.body))
    }

    /// The version it names: `metadata.version`, else `version`.
    pub fn version(&self) -> Option<Written> {
        let nested = self.field("metadata").and_then(|field| Some((field.value.get("version")?, field.line)));
        let top = self.field("version").map(|field| (&field.value, field.line));
        let (value, line) = nested.filter(|(value, _)| value.as_text().is_some()).or(top)?;
        let text = value.as_text()?.trim();
        (!text.is_empty()).then(|| Written {
            text: text.to_owned(),
            file: self.file.clone(),
            line: Some(line),
        })
    }

    /// A list of short lines under `key`, at the top or in `metadata`: given as a list, or as words
    /// between commas.
    pub fn words(&self, key: &str) -> Vec<String> {
        let nested = self.field("metadata").and_then(|field| field.value.get(key));
        let lines: Vec<String> = match self.field(key).map(|field| &field.value).or(nested) {
            Some(Yaml::List(items)) => items.iter().map(Yaml::flat_text).collect(),
            Some(Yaml::Text(text)) => text.split([',', '\n']).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        lines.iter().map(|line| plain_text::one_line(line)).filter(|line| !line.is_empty()).take(32).collect()
    }

    /// The same skill under `name`, in a form that every client takes, with what had to be mended.
    ///
    /// # Errors
    /// An error finding when it has neither a description nor a body: no client could load it.
    pub fn mend(&self, name: &str) -> Result<Mended, Finding> {
        let mut findings = self.findings.clone();
        let Some(description) = self.description() else {
            let message = "it has neither a description nor a body; say in `description` what the skill does and when to use it";
            return Err(Finding::error(&self.file, "skill-empty", message).at(1));
        };
        self.check_name(name, &mut findings);
        let given = self.field("description");
        let line = given.map_or(1, |field| field.line);
        if self.text("description").is_none() {
            let message = "there is no `description`; the first words of the body stand in for it";
            findings.push(Finding::warning(&self.file, "skill-description", message).at(line));
        }
        let short = plain_text::shorten(&description, MAX_DESCRIPTION);
        let mut body = self.body.clone();
        if short != description {
            let message = format!(
                "the description has {} characters and clients take {MAX_DESCRIPTION}; it was shortened, and stands in full at the top of the body",
                plain_text::utf16_len(&description)
            );
            findings.push(Finding::warning(&self.file, "skill-description-length", message).at(line));
            body = format!("\n{description}\n\n{}", body.trim_start_matches('\n'));
        }
        let mut fields = vec![
            ("name".to_owned(), Yaml::Text(name.to_owned())),
            ("description".to_owned(), Yaml::Text(short)),
        ];
        for field in &self.fields {
            match field.key.as_str() {
                "name" | "description" => {}
                "compatibility" => fields.push((field.key.clone(), self.compatibility(field, &mut findings))),
                _ => fields.push((field.key.clone(), field.value.clone())),
            }
        }
        Ok(Mended { fields, body, description, findings })
    }

    fn check_name(&self, name: &str, findings: &mut Vec<Finding>) {
        let line = self.field("name").map_or(1, |field| field.line);
        let message = match self.name() {
            Some(written) if written == name => return,
            Some(written) if client_name::is_client_name(&written) => {
                format!("the name is `{written}` here and `{name}` where the skill lies; `{name}` is used")
            }
            Some(written) => {
                let written = plain_text::shorten(&plain_text::one_line(&written), 80);
                format!("`{written}` is not a name that clients take; `{name}` is used")
            }
            None => format!("there is no `name`; `{name}` is used"),
        };
        findings.push(Finding::warning(&self.file, "skill-name", message).at(line));
    }

    fn compatibility(&self, field: &Field, findings: &mut Vec<Finding>) -> Yaml {
        let text = field.value.flat_text();
        if plain_text::utf16_len(&text) <= MAX_COMPATIBILITY {
            return field.value.clone();
        }
        let message =
            format!("`compatibility` is longer than {MAX_COMPATIBILITY} characters and was shortened");
        findings.push(Finding::warning(&self.file, "skill-compatibility", message).at(field.line));
        Yaml::Text(plain_text::shorten(&text, MAX_COMPATIBILITY))
    }
}

/// A SKILL.md that every client takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mended {
    /// Its keys: `name`, `description`, then the others in their author's order.
    pub fields: Vec<(String, Yaml)>,
    /// Its body.
    pub body: String,
    /// The description in full.
    pub description: String,
    /// All that was mended.
    pub findings: Vec<Finding>,
}

impl Mended {
    /// Its text: LF, no mark, text in double quotes, block style.
    pub fn write(&self) -> String {
        write(&self.fields, &self.body)
    }
}

/// Writes a markdown file with a frontmatter.
pub fn write(fields: &[(String, Yaml)], body: &str) -> String {
    let head = yaml::write_fields(fields.iter().map(|(key, value)| (key.as_str(), value)));
    let end = if body.is_empty() || body.ends_with('\n') { "" } else { "\n" };
    format!("---\n{head}---\n{body}{end}")
}

/// The first paragraph of prose in a markdown text, else its first heading, on one line.
fn first_words(body: &str) -> Option<String> {
    let mut heading = None;
    let mut fenced = false;
    let mut paragraph = String::new();
    for row in body.lines().map(str::trim) {
        if row.starts_with("```") || row.starts_with("~~~") {
            fenced = !fenced;
        }
        let is_prose = !fenced
            && row.chars().any(char::is_alphanumeric)
            && !row.starts_with(['#', '<', '|', '`', '~', '!']);
        if is_prose {
            paragraph.push_str(row);
            paragraph.push(' ');
        } else if !paragraph.is_empty() {
            break;
        } else if let Some(title) = row.strip_prefix('#') {
            let title = plain_text::one_line(title.trim_start_matches('#'));
            if heading.is_none() && !title.is_empty() {
                heading = Some(title);
            }
        }
    }
    let paragraph = plain_text::shorten(&plain_text::one_line(&paragraph), MAX_DESCRIPTION);
    if !paragraph.is_empty() {
        return Some(paragraph);
    }
    heading.or_else(|| {
        let all = plain_text::shorten(&plain_text::one_line(body), MAX_DESCRIPTION);
        (!all.is_empty()).then_some(all)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::yaml::tests::any_yaml;
    use proptest::prelude::*;

    fn mend(text: &str, name: &str) -> Mended {
        read(text.as_bytes(), "SKILL.md").mend(name).unwrap()
    }

    fn rules(mended: &Mended) -> Vec<&'static str> {
        mended.findings.iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn every_key_is_kept_in_a_form_all_clients_read() {
        let text = "\u{feff}---\r\nName: AWS Penetration Testing\r\ndescription: >-\r\n  Use <this>\r\n  when: testing\r\nuser-invocable: false\r\nallowed-tools: [Bash, \"Read\"]\r\nhooks: {PreToolUse: [{matcher: Bash, hooks: [{type: command}]}]}\r\nmetadata:\r\n  version: 1.10\r\n  author: 'me'\r\n---\r\n\r\n# Title\r\n";
        let mended = mend(text, "aws-penetration-testing");
        insta::assert_snapshot!(mended.write(), @r#"
        ---
        name: "aws-penetration-testing"
        description: "Use <this> when: testing"
        user-invocable: false
        allowed-tools:
          - "Bash"
          - "Read"
        hooks:
          PreToolUse:
            - matcher: "Bash"
              hooks:
                - type: "command"
        metadata:
          version: 1.10
          author: "me"
        ---

        # Title
        "#);
        assert_eq!(rules(&mended), ["frontmatter-key", "skill-name"]);
    }

    #[test]
    fn a_long_description_is_shortened_at_a_word_and_kept_whole_in_the_body() {
        let long = "word ".repeat(300);
        let mended = mend(&format!("---\nname: x\ndescription: {long}\n---\n\n# Body\n"), "x");
        let Yaml::Text(short) = &mended.fields[1].1 else { panic!("a text") };
        assert!(short.ends_with("word\u{2026}") && plain_text::utf16_len(short) <= MAX_DESCRIPTION);
        assert_eq!(mended.body, format!("\n{}\n\n# Body\n", long.trim()));
        assert_eq!(rules(&mended), ["skill-description-length"]);
        let again = read(mended.write().as_bytes(), "SKILL.md").mend("x").unwrap();
        assert_eq!(again.write(), mended.write());
    }

    #[test]
    fn a_missing_description_comes_from_the_body_and_nothing_at_all_is_refused() {
        let mended = mend("# Title\n\n```\ncode\n```\n\nFirst words\nof it.\n\nMore.\n", "x");
        assert_eq!(mended.description, "First words of it.");
        assert_eq!(rules(&mended), ["skill-name", "skill-description"]);
        assert_eq!(mend("---\nname: x\n---\n# Only a title\n", "x").description, "Only a title");
        for empty in ["", "\n \n", "---\nname: x\n---\n"] {
            let refused = read(empty.as_bytes(), "SKILL.md").mend("x").unwrap_err();
            assert_eq!(refused.rule, "skill-empty");
        }
        assert!(read(b"---\ndescription: d\n---\n", "SKILL.md").mend("x").is_ok());
    }

    #[test]
    fn the_version_is_read_as_it_was_written() {
        let version =
            |text: &str| read(text.as_bytes(), "f").version().map(|written| (written.text, written.line));
        assert_eq!(
            version("---\nversion: 2\nmetadata:\n  version: 1.10\n---\n"),
            Some(("1.10".into(), Some(3)))
        );
        assert_eq!(version("---\nversion: 1.0\nmetadata: {}\n---\n"), Some(("1.0".into(), Some(2))));
        assert_eq!(version("---\nversion:\n---\n"), None);
    }

    #[test]
    fn words_come_from_lists_and_commas() {
        let skill = read(b"---\ntags: [a, b]\nmetadata:\n  features: one thing, another\n---\n", "f");
        assert_eq!(skill.words("tags"), ["a", "b"]);
        assert_eq!(skill.words("features"), ["one thing", "another"]);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(description in "[a-z][^\u{0}]{0,80}", value in any_yaml(), body in any::<String>()) {
            let fields = vec![
                ("name".to_owned(), Yaml::Text("x".to_owned())),
                ("description".to_owned(), Yaml::Text(description)),
                ("extra".to_owned(), value),
            ];
            let text = write(&fields, &body);
            let page = frontmatter::read(text.as_bytes());
            let read: Vec<_> = page.fields.into_iter().map(|field| (field.key, field.value)).collect();
            prop_assert_eq!(read, fields);
            let lf = body.replace("\r\n", "\n").replace('\r', "\n");
            prop_assert_eq!(page.body.trim_end(), lf.trim_end());
            prop_assert!(page.remarks.is_empty(), "{:?}", page.remarks);
        }

        #[test]
        fn mending_a_mended_skill_changes_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..200), frontmatter in "(---\n([a-z]{1,4}: ?[ -~]{0,20}\n){0,4}---\n)?") {
            let mut all = frontmatter.into_bytes();
            all.extend(bytes);
            if let Ok(once) = read(&all, "f").mend("x") {
                let text = once.write();
                let twice = read(text.as_bytes(), "f").mend("x").unwrap();
                prop_assert_eq!(twice.write(), text);
                prop_assert_eq!(twice.findings, vec![]);
            }
        }
    }
}
