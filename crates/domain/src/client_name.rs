//! Names that every agent client accepts (docs/agents.md, section 2): the rule, and the mending of what people
//! write. Owns syntax only; reserved names and look-alikes are decided in `name`.

use unicode_normalization::UnicodeNormalization;

use crate::name::is_kebab;

/// Longest name, in bytes.
pub const MAX_LEN: usize = 64;

/// Whether `name` matches `^[a-z0-9]+(-[a-z0-9]+)*$` and is at most [`MAX_LEN`] long.
pub fn is_client_name(name: &str) -> bool {
    name.len() <= MAX_LEN && is_kebab(name)
}

/// The nearest valid name: accents dropped, case lowered (`AWSPenTest` stays one word,
/// `AWS Pen Test` becomes `aws-pen-test`), everything else a hyphen, cut at [`MAX_LEN`] on a word
/// where possible. `None` when nothing usable is left.
pub fn kebab(text: &str) -> Option<String> {
    let mut out = String::new();
    // Enough for any name; a megabyte of "name" is not normalised in full.
    for c in text.chars().take(1024).nfkd() {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            out.push(c);
        } else if unicode_normalization::char::is_combining_mark(c) || c == '\'' || c == '\u{2019}' {
            // An accent or an apostrophe is inside a word, not between two.
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    if out.len() > MAX_LEN {
        let cut = out[..MAX_LEN].rfind('-').filter(|&at| at >= MAX_LEN / 2);
        out.truncate(cut.unwrap_or(MAX_LEN));
    }
    while out.ends_with('-') {
        out.pop();
    }
    (!out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn real_names_are_mended_as_their_authors_meant() {
        for (written, name) in [
            ("AWS Penetration Testing", "aws-penetration-testing"),
            ("my_skill.v2", "my-skill-v2"),
            ("Caf\u{e9} d\u{2019}Or", "cafe-dor"),
            ("--x--", "x"),
            ("C++", "c"),
        ] {
            assert_eq!(kebab(written).as_deref(), Some(name));
        }
        assert_eq!(kebab("\u{6280}\u{80fd}"), None);
        assert_eq!(kebab(""), None);
    }

    proptest! {
        #[test]
        fn a_mended_name_is_valid_and_stays(text in any::<String>()) {
            if let Some(name) = kebab(&text) {
                prop_assert!(is_client_name(&name), "{name:?}");
                prop_assert_eq!(kebab(&name), Some(name));
            }
        }

        #[test]
        fn a_valid_name_is_left_alone(name in "[a-z0-9]{1,8}(-[a-z0-9]{1,8}){0,5}") {
            prop_assert!(is_client_name(&name));
            prop_assert_eq!(kebab(&name), Some(name));
        }
    }
}
