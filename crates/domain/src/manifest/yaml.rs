//! A small YAML tree that keeps what authors wrote: key order, and the spelling of numbers (`1.10`
//! stays `1.10`). Owns bounded reading and the one way of writing that every client's parser reads
//! alike; refuses documents that grow by aliases, or have keys that are not scalars.
//!
//! Clients differ between YAML 1.1 and 1.2, so a scalar that either of them takes for something else
//! than text is written as it was, unquoted, and everything else is written in double quotes.

use granit_parser::{Event, Parser, ScalarStyle, StrInput};
use std::collections::HashMap;
use std::fmt::Write as _;
use thiserror::Error;

/// Most nodes in a tree, aliases expanded.
const MAX_NODES: usize = 10_000;
/// Most bytes of text in a tree, aliases expanded.
const MAX_TEXT_BYTES: usize = 1 << 20;
/// Deepest nesting.
const MAX_DEPTH: usize = 32;

/// A YAML value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Yaml {
    /// Text.
    Text(String),
    /// A null (always `null`), boolean or number, as it was spelt.
    Bare(String),
    /// A sequence.
    List(Vec<Yaml>),
    /// A mapping in its author's order, keys unique.
    Map(Vec<(String, Yaml)>),
}

impl Yaml {
    /// A scalar's text. A null has none.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Bare(text) if is_null(text) => None,
            Self::Text(text) | Self::Bare(text) => Some(text),
            Self::List(_) | Self::Map(_) => None,
        }
    }

    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(fields) => fields.iter().find(|(known, _)| known == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// All scalars below, in order, as one text: how a list given for a sentence is read.
    pub fn flat_text(&self) -> String {
        match self {
            Self::Text(_) | Self::Bare(_) => self.as_text().unwrap_or("").to_owned(),
            Self::List(items) => items.iter().map(Self::flat_text).collect::<Vec<_>>().join(" "),
            Self::Map(fields) => fields
                .iter()
                .map(|(key, value)| format!("{key}: {}", value.flat_text()))
                .collect::<Vec<_>>()
                .join(" "),
        }
    }
}

/// Why a text is not a YAML document that can be taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct YamlError {
    /// Line from 1.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

/// A document with what is known about its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its value.
    pub root: Yaml,
    /// For a mapping at the root: the line of each key, from 1.
    pub lines: Vec<u32>,
    /// Keys given twice anywhere, with the line of the second; the last value was taken.
    pub repeated: Vec<(String, u32)>,
}

/// Reads the first document of `text`.
///
/// # Errors
/// When it is not YAML, or passes a bound (32 deep, 10 000 nodes, 1 MiB of text with aliases).
pub fn parse(text: &str) -> Result<Document, YamlError> {
    let mut reader = Reader {
        events: Parser::new_from_str_with_options(text, granit_parser::options! { emit_comments: false }),
        anchors: HashMap::new(),
        nodes: 0,
        bytes: 0,
        line: 1,
        lines: Vec::new(),
        repeated: Vec::new(),
    };
    let root = loop {
        match reader.next()? {
            Event::StreamEnd => break Yaml::Bare("null".to_owned()),
            Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
            event => break reader.node(event, 0)?,
        }
    };
    // What follows decides whether the text was YAML at all.
    while !matches!(reader.next()?, Event::StreamEnd) {
        reader.count(0)?;
    }
    Ok(Document { root, lines: reader.lines, repeated: reader.repeated })
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Yaml>,
    nodes: usize,
    bytes: usize,
    line: u32,
    lines: Vec<u32>,
    repeated: Vec<(String, u32)>,
}

impl<'a> Reader<'a> {
    fn error(&self, message: impl Into<String>) -> YamlError {
        YamlError { line: self.line, message: message.into() }
    }

    fn next(&mut self) -> Result<Event<'a>, YamlError> {
        match self.events.next_event() {
            Some(Ok((event, span))) => {
                self.line = line_of(span.start.line());
                Ok(event)
            }
            Some(Err(error)) => {
                Err(YamlError { line: line_of(error.marker().line()), message: error.info() })
            }
            None => Ok(Event::StreamEnd),
        }
    }

    fn count(&mut self, bytes: usize) -> Result<(), YamlError> {
        self.nodes += 1;
        self.bytes += bytes;
        if self.nodes > MAX_NODES || self.bytes > MAX_TEXT_BYTES {
            return Err(self.error("the document is too large"));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<Yaml, YamlError> {
        if depth > MAX_DEPTH {
            return Err(self.error("the document is nested too deeply"));
        }
        let anchor = event.anchor_id();
        let value = match event {
            Event::Scalar(text, style, _, ref tag) => {
                self.count(text.len())?;
                let forced = tag.as_ref().is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
                if style == ScalarStyle::Plain && !forced && is_bare(&text) {
                    // The parser gives `~` for nothing at all; one spelling serves for every null.
                    Yaml::Bare(if is_null(&text) { "null".to_owned() } else { text.into_owned() })
                } else {
                    Yaml::Text(text.into_owned())
                }
            }
            Event::SequenceStart(..) => {
                self.count(0)?;
                Yaml::List(self.list(depth)?)
            }
            Event::MappingStart(..) => {
                self.count(0)?;
                Yaml::Map(self.map(depth)?)
            }
            Event::Alias(id) => {
                let value = self.anchors.get(&id).cloned();
                let value = value.ok_or_else(|| self.error("an alias names what it is part of"))?;
                let (nodes, bytes) = weight(&value);
                self.nodes += nodes;
                self.count(bytes)?;
                value
            }
            _ => return Err(self.error("a value was expected")),
        };
        if let Some(id) = anchor {
            self.anchors.insert(id, value.clone());
        }
        Ok(value)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Yaml>, YamlError> {
        let mut items = Vec::new();
        loop {
            let event = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(items);
            }
            items.push(self.node(event, depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(String, Yaml)>, YamlError> {
        let mut fields: Vec<(String, Yaml)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut lines = Vec::new();
        loop {
            let event = self.next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let line = self.line;
            let (Yaml::Text(key) | Yaml::Bare(key)) = self.node(event, depth + 1)? else {
                return Err(YamlError { line, message: "a key is not a plain word".to_owned() });
            };
            let event = self.next()?;
            let value = self.node(event, depth + 1)?;
            if let Some(&at) = places.get(&key) {
                self.repeated.push((key, line));
                fields[at].1 = value;
            } else {
                places.insert(key.clone(), fields.len());
                fields.push((key, value));
                lines.push(line);
            }
        }
        if depth == 0 {
            self.lines = lines;
        }
        Ok(fields)
    }
}

fn line_of(line: usize) -> u32 {
    u32::try_from(line.max(1)).unwrap_or(u32::MAX)
}

fn weight(value: &Yaml) -> (usize, usize) {
    let sum = |a: (usize, usize), b: (usize, usize)| (a.0 + b.0, a.1 + b.1);
    match value {
        Yaml::Text(text) | Yaml::Bare(text) => (1, text.len()),
        Yaml::List(items) => items.iter().map(weight).fold((1, 0), sum),
        Yaml::Map(fields) => {
            fields.iter().map(|(key, value)| sum((1, key.len()), weight(value))).fold((1, 0), sum)
        }
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// Whether a YAML 1.1 or 1.2 parser takes this unquoted word for a null, a boolean or a number.
fn is_bare(text: &str) -> bool {
    is_null(text) || is_boolean(text) || is_number(text)
}

fn is_boolean(text: &str) -> bool {
    const WORDS: [&str; 8] = ["true", "false", "yes", "no", "on", "off", "y", "n"];
    let lower = text.to_ascii_lowercase();
    let uniform = text == lower
        || text == text.to_ascii_uppercase()
        || (text.starts_with(|c: char| c.is_ascii_uppercase()) && text[1..] == lower[1..]);
    WORDS.contains(&lower.as_str()) && uniform
}

fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = unsigned.strip_prefix(prefix) {
            return !digits.is_empty() && digits.chars().all(|c| c == '_' || c.is_digit(radix));
        }
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return false;
        }
    }
    // Sexagesimal numbers of YAML 1.1 (`12:30:45`) have colons; no space can follow one here.
    mantissa.bytes().any(|b| b.is_ascii_digit())
        && mantissa.bytes().filter(|&b| b == b'.').count() <= 1
        && mantissa.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && mantissa.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'_' | b':'))
        && !mantissa.ends_with(':')
        && !mantissa.contains("::")
}

/// Writes a mapping in block style: a key a line, text in double quotes, LF.
pub fn write_fields<'a>(fields: impl IntoIterator<Item = (&'a str, &'a Yaml)>) -> String {
    let mut out = String::new();
    for (key, value) in fields {
        write_field(&mut out, key, value, 0);
    }
    out
}

fn write_field(out: &mut String, key: &str, value: &Yaml, indent: usize) {
    push_indent(out, indent);
    write_key_and_value(out, key, value, indent);
}

fn write_key_and_value(out: &mut String, key: &str, value: &Yaml, indent: usize) {
    if is_plain_key(key) {
        out.push_str(key);
    } else {
        push_quoted(out, key);
    }
    out.push(':');
    write_after(out, value, indent);
}

/// Writes what follows `key:` or `-`, the line's end included.
fn write_after(out: &mut String, value: &Yaml, indent: usize) {
    match value {
        Yaml::Text(text) => {
            out.push(' ');
            push_quoted(out, text);
            out.push('\n');
        }
        Yaml::Bare(text) => {
            let _ = writeln!(out, " {text}");
        }
        Yaml::List(items) if items.is_empty() => out.push_str(" []\n"),
        // The one flow mapping there is: block style has no way to say it.
        Yaml::Map(fields) if fields.is_empty() => out.push_str(" {}\n"),
        Yaml::List(items) => {
            out.push('\n');
            for item in items {
                push_indent(out, indent + 2);
                out.push('-');
                match item {
                    Yaml::Map(fields) if !fields.is_empty() => {
                        out.push(' ');
                        write_key_and_value(out, &fields[0].0, &fields[0].1, indent + 4);
                        for (key, value) in &fields[1..] {
                            write_field(out, key, value, indent + 4);
                        }
                    }
                    _ => write_after(out, item, indent + 2),
                }
            }
        }
        Yaml::Map(fields) => {
            out.push('\n');
            for (key, value) in fields {
                write_field(out, key, value, indent + 2);
            }
        }
    }
}

fn push_indent(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn is_plain_key(key: &str) -> bool {
    key.len() <= 128
        && key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        && !is_bare(key)
}

/// Double-quoted on one line, as YAML 1.2 (5.7) and JSON both read it, except for `\x`-less control
/// characters: `\u` is understood by both.
fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if needs_escape(c) => {
                let mut units = [0u16; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Characters outside YAML's printable set, and those that some parsers break lines at or drop.
/// All of them lie in the basic plane, so one `\u` is always enough.
fn needs_escape(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Yaml {
        parse(text).unwrap().root
    }

    /// Any value that a parse can yield.
    pub(crate) fn any_yaml() -> impl Strategy<Value = Yaml> {
        let leaf = prop_oneof![
            any::<String>().prop_map(Yaml::Text),
            "[ -~\n]{0,20}".prop_map(Yaml::Text),
            prop::sample::select(vec!["null", "true", "No", "1.10", "-3", "0x1f", "1e3", ".inf", "12:30"])
                .prop_map(|word| Yaml::Bare(word.to_owned())),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Yaml::List),
                prop::collection::vec((any::<String>(), inner), 0..4).prop_map(|fields| {
                    let mut unique: Vec<(String, Yaml)> = Vec::new();
                    for (key, value) in fields {
                        if unique.iter().all(|(known, _)| *known != key) {
                            unique.push((key, value));
                        }
                    }
                    Yaml::Map(unique)
                }),
            ]
        })
    }

    #[test]
    fn numbers_keep_their_spelling_and_text_its_quotes() {
        let value = read("a: 1.10\nb: '1.10'\nc: yes\nd: 2024-01-05\ne:\nf: !!str 5\n");
        let text = write_fields([("x", &value)]);
        assert_eq!(
            text,
            "x:\n  a: 1.10\n  b: \"1.10\"\n  c: yes\n  d: \"2024-01-05\"\n  e: null\n  f: \"5\"\n"
        );
    }

    #[test]
    fn aliases_are_expanded_within_bounds() {
        assert_eq!(read("a: &x [1]\nb: *x").get("b"), Some(&Yaml::List(vec![Yaml::Bare("1".into())])));
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
            let _ = writeln!(bomb, "a{level}: &a{level} [{aliases}]");
        }
        assert_eq!(parse(&bomb).unwrap_err().message, "the document is too large");
        assert!(parse("a: &a [*a]").is_err());
    }

    #[test]
    fn depth_is_bounded_in_both_styles() {
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&format!("{}x", "- ".repeat(5_000))).is_err());
        let rows: Vec<String> = (0..500).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        let block = rows.concat();
        assert!(parse(&block).is_err());
    }

    #[test]
    fn a_key_given_twice_is_told_and_the_last_value_counts() {
        let document = parse("a: 1\nb: 2\na: 3\n").unwrap();
        assert_eq!(document.root.get("a"), Some(&Yaml::Bare("3".into())));
        assert_eq!(document.repeated, [("a".to_owned(), 3)]);
        assert_eq!(document.lines, [1, 2]);
    }

    #[test]
    fn an_error_names_its_line() {
        assert_eq!(parse("a: 1\ndescription: Use when: x\n").unwrap_err().line, 2);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(key in any::<String>(), value in any_yaml()) {
            let text = write_fields([(key.as_str(), &value)]);
            let stray = text.contains(['\r', '\u{feff}']);
            prop_assert!(!stray);
            let root = parse(&text).map_err(|e| TestCaseError::fail(format!("{e} in\n{text}")))?.root;
            prop_assert_eq!(root, Yaml::Map(vec![(key, value)]), "{}", text);
        }

        #[test]
        fn another_reader_sees_the_same_text(value in any::<String>()) {
            let text = write_fields([("k", &Yaml::Text(value.clone()))]);
            let other: std::collections::BTreeMap<String, String> = serde_saphyr::from_str(&text).unwrap();
            prop_assert_eq!(&other["k"], &value);
        }

        #[test]
        fn no_input_makes_it_panic(text in "[-a-c:&*?|>'\"#%!,\\[\\]{} \n\t0-9~]{0,80}") {
            let _ = parse(&text);
        }
    }
}
