//! Reading JSON that people wrote by hand: a mark, comments and trailing commas are forgiven. Owns
//! the bounds; refuses anything that is not an object.

use super::frontmatter;
use serde_json::{Map, Value};
use thiserror::Error;

/// Largest manifest that is read, in bytes.
pub const MAX_BYTES: usize = 4 << 20;

/// Why a text is not a JSON object that can be taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct JsonError {
    /// Line from 1.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

/// An object, and whether it was written in a way that clients refuse.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its members, in their author's order.
    pub members: Map<String, Value>,
    /// Whether comments or trailing commas had to be taken out.
    pub mended: bool,
}

/// Reads an object. Nesting is bounded (128 deep), and so is the size ([`MAX_BYTES`]).
///
/// # Errors
/// When it is not a JSON object.
pub fn read_object(bytes: &[u8]) -> Result<Object, JsonError> {
    if bytes.len() > MAX_BYTES {
        return Err(JsonError { line: 1, message: format!("it is larger than {MAX_BYTES} bytes") });
    }
    let (text, _) = frontmatter::decode(bytes);
    let (value, mended) = match serde_json::from_str(&text) {
        Ok(value) => (value, false),
        Err(error) => {
            let line = u32::try_from(error.line().max(1)).unwrap_or(u32::MAX);
            let refused = |_| JsonError { line, message: format!("it is not JSON: {error}") };
            (serde_json::from_str(&without_comments(&text)).map_err(refused)?, true)
        }
    };
    match value {
        Value::Object(members) => Ok(Object { members, mended }),
        _ => Err(JsonError { line: 1, message: "it is not a JSON object".to_owned() }),
    }
}

/// The text with comments as blanks, and without commas before a closing bracket.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let taken = if c == '"' {
            let end = end_of_string(rest);
            out.push_str(&rest[..end]);
            end
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else {
            if matches!(c, '}' | ']') {
                let kept = out.trim_end();
                if let Some(before) = kept.strip_suffix(',') {
                    out.truncate(before.len());
                }
            }
            out.push(c);
            c.len_utf8()
        };
        rest = &rest[taken..];
    }
    out
}

fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Writes a value for people: two spaces of indentation, LF, and one at the end.
pub fn write(members: &Map<String, Value>) -> String {
    let mut text = serde_json::to_string_pretty(members).expect("a JSON value always has a text");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn comments_and_trailing_commas_are_forgiven_outside_strings() {
        let object =
            read_object(b"\xef\xbb\xbf{ // one\n \"a\": \"x // y, }\", /* two */ \"b\": [1, 2,], \n}")
                .unwrap();
        assert!(object.mended);
        assert_eq!(Value::Object(object.members).to_string(), r#"{"a":"x // y, }","b":[1,2]}"#);
        assert!(!read_object(b"\xef\xbb\xbf{}").unwrap().mended);
    }

    #[test]
    fn an_error_names_its_line_and_depth_is_bounded() {
        assert_eq!(read_object(b"{\n\n oops\n}").unwrap_err().line, 3);
        assert!(read_object(b"[]").is_err());
        assert!(read_object("[".repeat(100_000).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(text in "[{}\\[\\]\",:/*a1\\\\ \n]{0,60}") {
            let _ = read_object(text.as_bytes());
        }

        #[test]
        fn json_as_it_should_be_is_never_changed(key in any::<String>(), value in any::<String>()) {
            let mut members = Map::new();
            members.insert(key, Value::String(value));
            let read = read_object(write(&members).as_bytes()).unwrap();
            prop_assert_eq!(read, Object { members, mended: false });
        }
    }
}
