//! Making foreign text harmless: which characters may be shown, flattening to one line, capping at
//! a word. Owns the rules; refuses any knowledge of markdown, YAML or JSON.

/// Whether `c` is a control, bidi, zero-width, tag or otherwise invisible character that can hide
/// or reorder text (Unicode UTS #39 and #55 name these as the dangerous ones). The two selectors
/// that choose between text and emoji style are left alone.
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0d}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
        || is_noncharacter(c)
}

/// Code points that are never characters (`U+FDD0..U+FDEF` and the last two of each plane).
fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
}

/// The text on one line: every run of white space becomes one space, ends are trimmed, unprintable
/// characters are dropped.
pub fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut gap = false;
    for c in text.chars() {
        if c.is_whitespace() {
            gap = true;
        } else if !is_unprintable(c) {
            if gap && !out.is_empty() {
                out.push(' ');
            }
            gap = false;
            out.push(c);
        }
    }
    out
}

/// Length as JavaScript clients count it: UTF-16 code units. Never less than the number of
/// characters, so a limit held here is held by every client.
pub fn utf16_len(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// The text cut to at most `limit` UTF-16 units, at the end of a word where there is one in the
/// last third, and ended by `…` if anything was cut.
pub fn shorten(text: &str, limit: usize) -> String {
    if utf16_len(text) <= limit {
        return text.to_owned();
    }
    let room = limit.saturating_sub(1);
    let mut used = 0;
    let mut end = 0;
    let mut last_gap = None;
    for (at, c) in text.char_indices() {
        if c.is_whitespace() {
            last_gap = Some(at);
        }
        used += c.len_utf16();
        if used > room {
            break;
        }
        end = at + c.len_utf8();
    }
    let cut = last_gap.filter(|&gap| gap <= end && gap * 3 >= end * 2).unwrap_or(end);
    let kept = text[..cut].trim_end_matches(|c: char| c.is_whitespace() || c == ',' || c == ';');
    if limit == 0 { String::new() } else { format!("{kept}\u{2026}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_shortened_text_holds_its_limit_and_is_a_prefix(text in any::<String>(), limit in 0usize..60) {
            let short = shorten(&text, limit);
            prop_assert!(utf16_len(&short) <= limit);
            if short != text && limit > 0 {
                let kept = short.strip_suffix('\u{2026}').expect("cut texts end in an ellipsis");
                prop_assert!(text.starts_with(kept));
            }
        }

        #[test]
        fn one_line_is_a_fixed_point_without_controls(text in any::<String>()) {
            let flat = one_line(&text);
            prop_assert!(!flat.chars().any(is_unprintable));
            prop_assert_eq!(one_line(&flat), flat);
        }
    }

    #[test]
    fn a_cut_falls_on_a_word() {
        assert_eq!(shorten("alpha beta gamma delta", 18), "alpha beta gamma\u{2026}");
        assert_eq!(shorten("short", 18), "short");
    }
}
