//! The block between `---` lines at the head of a markdown file: cutting it off, and reading it even
//! where it is not YAML. Owns how people's slips are mended; refuses to know what the keys mean.

use super::yaml::{self, Yaml};

/// Deepest nesting in which slips are mended.
const MAX_MENDED_DEPTH: usize = 8;
/// Longest frontmatter that is looked at, in bytes.
const MAX_BYTES: usize = 256 << 10;

/// Something a reader did on the author's behalf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Line in the file, from 1.
    pub line: u32,
    /// Stable name of the rule.
    pub rule: &'static str,
    /// What was found and what was done.
    pub message: String,
}

/// One key of a frontmatter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The key as written.
    pub key: String,
    /// Its value.
    pub value: Yaml,
    /// Its line in the file, from 1.
    pub line: u32,
}

/// A markdown file taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Every key in its author's order; keys are unique.
    pub fields: Vec<Field>,
    /// Everything after the frontmatter, with LF line ends.
    pub body: String,
    /// What was mended.
    pub remarks: Vec<Remark>,
}

/// Text out of bytes: UTF-8, UTF-16 with a mark, or Latin-1 where it is neither; no mark, LF.
/// The flag says whether it was not plain UTF-8 (a UTF-8 mark and CR are too common to mention).
pub fn decode(bytes: &[u8]) -> (String, bool) {
    let utf16 = |pairs: &[u8], read: fn([u8; 2]) -> u16| {
        let units = pairs.chunks_exact(2).map(|pair| read([pair[0], pair[1]]));
        char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect::<String>()
    };
    let (text, odd) = match bytes {
        [0xff, 0xfe, rest @ ..] => (utf16(rest, u16::from_le_bytes), true),
        [0xfe, 0xff, rest @ ..] => (utf16(rest, u16::from_be_bytes), true),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_owned(), false),
            Err(_) => (latin1_where_invalid(bytes), true),
        },
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text =
        if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text.to_owned() };
    (text, odd)
}

fn latin1_where_invalid(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|&byte| char::from(byte)));
    }
    out
}

/// Takes a markdown file apart. Never fails: what cannot be read as YAML is read line by line.
pub fn read(bytes: &[u8]) -> Page {
    let (text, odd) = decode(bytes);
    let mut page = Page::default();
    if odd {
        page.remark(1, "encoding", "the file is not UTF-8; it was converted");
    }
    let Some(cut) = cut(&text) else {
        page.body = text;
        return page;
    };
    page.body = text[cut.body..].to_owned();
    if !cut.closed {
        page.remark(
            cut.line - 1,
            "frontmatter-end",
            "the frontmatter has no closing `---`; it was taken to end where its keys end",
        );
    }
    page.read_fields(&text[cut.yaml], cut.line);
    page
}

/// Where a frontmatter lies in its file.
struct Cut {
    yaml: std::ops::Range<usize>,
    /// Line of the first byte of `yaml`, from 1.
    line: u32,
    body: usize,
    closed: bool,
}

fn cut(text: &str) -> Option<Cut> {
    let start = text.len() - text.trim_start().len();
    let head = text[start..].lines().next()?;
    if head.trim_end() != "---" {
        return None;
    }
    let line = 2 + u32::try_from(text[..start].matches('\n').count()).ok()?;
    let yaml = text.len().min(start + head.len() + 1);
    let mut at = yaml;
    let mut end_of_keys = yaml;
    let mut still_keys = true;
    for row in text[yaml..].split_inclusive('\n') {
        let bare = row.trim_end();
        if bare == "---" || bare == "..." {
            return Some(Cut { yaml: yaml..at, line, body: at + row.len(), closed: true });
        }
        at += row.len();
        if at - yaml > MAX_BYTES {
            break;
        }
        still_keys &= is_key_row(row) || row.starts_with([' ', '\t', '-']) && !bare.is_empty();
        if still_keys {
            end_of_keys = at;
        }
    }
    // A rule line above plain prose is markdown, not a frontmatter.
    (end_of_keys > yaml).then_some(Cut { yaml: yaml..end_of_keys, line, body: end_of_keys, closed: false })
}

/// The key at the start of an unindented `key: …` line, and what follows the colon.
fn key_of(row: &str) -> Option<(&str, &str)> {
    let (key, rest) = row.split_once(':')?;
    let key = key.trim_end();
    let bare = key
        .strip_prefix('"')
        .and_then(|key| key.strip_suffix('"'))
        .or_else(|| key.strip_prefix('\'').and_then(|key| key.strip_suffix('\'')))
        .unwrap_or(key);
    let ok = bare.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$')
        && bare.len() <= 64
        && bare.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$' | '/'))
        && (rest.is_empty() || rest.starts_with(char::is_whitespace));
    ok.then_some((bare, rest.trim()))
}

fn is_key_row(row: &str) -> bool {
    key_of(row.trim_end_matches('\n')).is_some()
}

impl Page {
    fn remark(&mut self, line: u32, rule: &'static str, message: impl Into<String>) {
        self.remarks.push(Remark { line, rule, message: message.into() });
    }

    fn read_fields(&mut self, text: &str, first_line: u32) {
        let error = match yaml::parse(text) {
            Ok(document) => {
                for (key, line) in &document.repeated {
                    let message = format!("`{key}` is given twice; the last one counts");
                    self.remark(first_line + line - 1, "frontmatter-repeated", message);
                }
                match document.root {
                    Yaml::Map(fields) => {
                        for ((key, value), line) in fields.into_iter().zip(document.lines) {
                            self.fields.push(Field { key, value, line: first_line + line - 1 });
                        }
                        return;
                    }
                    Yaml::Bare(text) if text == "null" => return,
                    _ => yaml::YamlError { line: 1, message: "it has no keys".to_owned() },
                }
            }
            Err(error) => error,
        };
        let message = format!("not valid YAML ({}); read line by line instead", error.message);
        self.remark(first_line + error.line - 1, "frontmatter-yaml", message);
        // Tabs are no indentation in YAML, and the most common slip besides colons.
        let text = text.replace('\t', "  ");
        let rows: Vec<&str> = text.lines().collect();
        let mut repeated = Vec::new();
        for (key, value, offset) in mend_map(&rows, 0) {
            let line = first_line + u32::try_from(offset).unwrap_or(u32::MAX - first_line);
            let field = Field { key, value, line };
            match self.fields.iter_mut().find(|known| known.key == field.key) {
                Some(known) => {
                    repeated.push((field.key.clone(), line));
                    *known = field;
                }
                None => self.fields.push(field),
            }
        }
        for (key, line) in repeated {
            self.remark(line, "frontmatter-repeated", format!("`{key}` is given twice; the last one counts"));
        }
    }
}

/// Reads rows as a mapping: each `key:` row with the rows under it is YAML by itself, or else text.
/// Gives keys, values and the offset of each key's row.
fn mend_map(rows: &[&str], depth: usize) -> Vec<(String, Yaml, usize)> {
    let starts: Vec<usize> = (0..rows.len()).filter(|&at| key_of(rows[at]).is_some()).collect();
    let ends = starts.iter().skip(1).copied().chain([rows.len()]);
    let mut fields = Vec::new();
    for (&start, end) in starts.iter().zip(ends) {
        let chunk = &rows[start..end];
        if let Some(Yaml::Map(mut alone)) = yaml::parse(&chunk.join("\n")).ok().map(|d| d.root)
            && alone.len() == 1
        {
            let (key, value) = alone.remove(0);
            fields.push((key, value, start));
            continue;
        }
        if let Some((key, rest)) = key_of(chunk[0]) {
            fields.push((key.to_owned(), mend_value(rest, &chunk[1..], depth), start));
        }
    }
    fields
}

fn mend_value(rest: &str, under: &[&str], depth: usize) -> Yaml {
    let rows = dedent(under);
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let first = rows.iter().find(|row| !row.trim().is_empty());
    if rest.is_empty() && depth < MAX_MENDED_DEPTH {
        match first {
            Some(row) if row.starts_with("- ") => return Yaml::List(mend_list(&rows)),
            Some(row) if is_key_row(row) => {
                let mut unique: Vec<(String, Yaml)> = Vec::new();
                for (key, value, _) in mend_map(&rows, depth + 1) {
                    unique.retain(|(known, _)| *known != key);
                    unique.push((key, value));
                }
                return Yaml::Map(unique);
            }
            _ => {}
        }
    }
    let block = rest.starts_with(['|', '>']) && rest.len() <= 3;
    if block {
        return Yaml::Text(rows.join("\n").trim_end().to_owned());
    }
    let mut words = vec![rest];
    words.extend(rows.iter().map(|row| row.trim()).filter(|row| !row.is_empty() && !row.starts_with('#')));
    Yaml::Text(unquote(words.join(" ").trim()))
}

fn mend_list(rows: &[&str]) -> Vec<Yaml> {
    let mut items: Vec<String> = Vec::new();
    for row in rows {
        match (row.strip_prefix("- "), items.last_mut()) {
            (Some(item), _) => items.push(item.trim().to_owned()),
            (None, Some(last)) => {
                last.push(' ');
                last.push_str(row.trim());
            }
            (None, None) => {}
        }
    }
    items
        .into_iter()
        .map(|item| match yaml::parse(&item) {
            Ok(document) if !matches!(document.root, Yaml::Map(_)) => document.root,
            _ => Yaml::Text(unquote(item.trim())),
        })
        .collect()
}

/// Rows without the indentation they have in common.
fn dedent(rows: &[&str]) -> Vec<String> {
    let indent = |row: &str| row.len() - row.trim_start_matches(' ').len();
    let common = rows.iter().filter(|row| !row.trim().is_empty()).map(|row| indent(row)).min().unwrap_or(0);
    rows.iter().map(|row| row.get(common..).unwrap_or("").to_owned()).collect()
}

/// A text without the quotes its author put around it, whether or not they balance.
fn unquote(text: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(rest) = text.strip_prefix(quote) {
            let inner = rest.strip_suffix(quote).unwrap_or(rest);
            return inner.replace("\\\"", "\"");
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(source: &str) -> Vec<(String, String)> {
        read(source.as_bytes()).fields.into_iter().map(|field| (field.key, field.value.flat_text())).collect()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn an_unquoted_colon_costs_nothing_but_a_remark() {
        let page = read(
            b"---\nname: a\ndescription: Use when: x is \"y\": z\nmetadata:\n  version: 1.10\n---\nbody\n",
        );
        assert_eq!(page.fields[1].value, Yaml::Text("Use when: x is \"y\": z".into()));
        assert_eq!(page.fields[2].value.get("version"), Some(&Yaml::Bare("1.10".into())));
        assert_eq!(page.fields[2].line, 4);
        assert_eq!(page.body, "body\n");
        assert_eq!((page.remarks[0].rule, page.remarks[0].line), ("frontmatter-yaml", 3));
    }

    #[test]
    fn slips_inside_nested_values_are_mended_in_place() {
        assert_eq!(
            texts("---\nmetadata:\n  author: me: too\n  tags:\n    - a: b: c\n    - 'd\nlast: x\n---\n"),
            [pair("metadata", "author: me: too tags: a: b: c d"), pair("last", "x")]
        );
        assert_eq!(texts("---\nmetadata:\n\tversion: 2\n---\n"), [pair("metadata", "version: 2")]);
        assert_eq!(
            texts("---\ndescription: \"a \"b\" c\"\nargument-hint: [file] [line]\n---\n"),
            [pair("description", "a \"b\" c"), pair("argument-hint", "[file] [line]")]
        );
        assert_eq!(
            texts("---\ndescription: at first: a\nsecond line: of it\n---\n"),
            [pair("description", "at first: a second line: of it")]
        );
        assert_eq!(texts("---\nbad: a: b\ntext: |\n  one\n    two\n---\n")[1], pair("text", "one\n  two\n"));
    }

    #[test]
    fn marks_line_ends_and_encodings_are_normalised() {
        let page = read("\u{feff}---\r\nname: x\r\n---\r\nbody\r\n".as_bytes());
        assert_eq!((page.fields[0].value.flat_text().as_str(), page.body.as_str()), ("x", "body\n"));
        assert!(page.remarks.is_empty());
        let utf16: Vec<u8> =
            "\u{feff}---\nname: \u{e9}\n---\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&utf16).fields[0].value, Yaml::Text("\u{e9}".into()));
        let latin = read(b"---\nname: caf\xe9\n---\n");
        assert_eq!(latin.fields[0].value, Yaml::Text("caf\u{e9}".into()));
        assert_eq!(latin.remarks[0].rule, "encoding");
    }

    #[test]
    fn a_page_without_frontmatter_is_all_body() {
        for text in
            ["# Title\n\ntext\n", "---\n\nprose under a rule\n", "", "--- x\n", "-----\na: b\n-----\n"]
        {
            let page = read(text.as_bytes());
            assert_eq!((page.fields.len(), page.body.as_str()), (0, text), "{text:?}");
        }
    }

    #[test]
    fn a_frontmatter_without_end_ends_with_its_keys() {
        let page = read(b"---\nname: x\ndescription: y\n\n# Title\n");
        assert_eq!(page.fields.len(), 2);
        assert_eq!(page.body, "\n# Title\n");
        assert_eq!(page.remarks[0].rule, "frontmatter-end");
    }

    #[test]
    fn a_key_given_twice_counts_once() {
        for text in ["---\na: 1\nb: 2\na: 3\n---\n", "---\na: 1\nb: x: y\na: 3\n---\n"] {
            let page = read(text.as_bytes());
            assert_eq!(page.fields.len(), 2);
            assert_eq!(page.fields[0].value.flat_text(), "3");
            assert!(page.remarks.iter().any(|remark| remark.rule == "frontmatter-repeated"));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(head in "(---\n)?", rows in proptest::collection::vec("[-a-c:&*?|>'\"#%\\[\\]{} \t~0-9]{0,20}\n", 0..8), tail in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut bytes = head.into_bytes();
            bytes.extend(rows.concat().into_bytes());
            bytes.extend(tail);
            let page = read(&bytes);
            let mut keys: Vec<_> = page.fields.iter().map(|field| &field.key).collect();
            keys.sort();
            keys.dedup();
            prop_assert_eq!(keys.len(), page.fields.len());
        }

        #[test]
        fn any_single_line_description_survives(text in "[A-Za-z][ -~]{0,60}[a-z.]") {
            // What a person types after `description: ` without knowing YAML.
            let comment = text.contains(" #");
            prop_assume!(!comment);
            let page = read(format!("---\nname: n\ndescription: {text}\n---\n").as_bytes());
            prop_assert_eq!(page.fields[1].value.flat_text(), text);
        }
    }
}
