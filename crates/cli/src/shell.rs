//! Quoting for commands that people paste into a shell, and for the ones that git runs through one.

use std::borrow::Cow;

/// Returns `word` in a form that a POSIX shell reads back as exactly that text.
pub(crate) fn quoted(word: &str) -> Cow<'_, str> {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./:+@%".contains(c);
    if !word.is_empty() && word.chars().all(safe) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_is_quoted_only_where_the_shell_needs_it() {
        assert_eq!(quoted("/usr/bin/skaas"), "/usr/bin/skaas");
        assert_eq!(quoted("/home/ann o'hara/skaas"), r"'/home/ann o'\''hara/skaas'");
        assert_eq!(quoted(""), "''");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn a_shell_reads_back_what_was_quoted(word in r#"[ -~]{0,12}|[$`'"\\;&|<>!*~#(){}\[\]\n]{1,12}"#) {
            let line = format!("printf %s {}", quoted(&word));
            let output = Command::new("sh").args(["-c", &line]).output().unwrap();
            prop_assert_eq!(String::from_utf8_lossy(&output.stdout), word);
        }
    }
}
