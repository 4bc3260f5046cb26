//! `.claude-plugin/plugin.json`: what its author wrote, and the form that every client takes. Owns
//! the mending of single keys; refuses to drop one that it does not know.

use super::json;
use crate::finding::Finding;
use crate::plain_text;
use crate::version::{Version, Written};
use serde_json::{Map, Value, json};

/// Where it lies inside a plugin.
pub const PATH: &str = ".claude-plugin/plugin.json";

/// Keys that name components of a plugin, by path or in place.
pub const COMPONENT_KEYS: [&str; 7] =
    ["commands", "agents", "skills", "hooks", "mcpServers", "lspServers", "outputStyles"];

/// The members of a plugin.json, in their author's order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PluginManifest {
    /// Path of the file inside the source; empty when there is none.
    pub file: String,
    /// Its members.
    pub members: Map<String, Value>,
}

/// Reads a plugin.json.
///
/// # Errors
/// An error finding when it is not a JSON object.
pub fn read(bytes: &[u8], file: &str) -> Result<(PluginManifest, Vec<Finding>), Finding> {
    let object = json::read_object(bytes)
        .map_err(|error| Finding::error(file, "plugin-json", error.message.clone()).at(error.line))?;
    let mut findings = Vec::new();
    if object.mended {
        let message = "comments or trailing commas are not JSON; they were taken out";
        findings.push(Finding::warning(file, "plugin-json", message));
    }
    Ok((PluginManifest { file: file.to_owned(), members: object.members }, findings))
}

impl PluginManifest {
    /// A member's text, if it is one and not blank. Numbers count as text.
    pub fn text(&self, key: &str) -> Option<String> {
        let text = match self.members.get(key)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (!text.is_empty()).then_some(text)
    }

    /// The version it names.
    pub fn version(&self) -> Option<Written> {
        let text = self.text("version")?;
        Some(Written { text, file: self.file.clone(), line: None })
    }

    /// Its keywords, one line each.
    pub fn keywords(&self) -> Vec<String> {
        let lines: Vec<String> = match self.members.get("keywords") {
            Some(Value::Array(items)) => {
                items.iter().filter_map(Value::as_str).map(plain_text::one_line).collect()
            }
            Some(Value::String(text)) => text.split(',').map(plain_text::one_line).collect(),
            _ => Vec::new(),
        };
        lines.into_iter().filter(|line| !line.is_empty()).take(32).collect()
    }

    /// Paths of components that `key` names (`"./a"` and `"a/"` both give `a`); none for components
    /// written in place.
    pub fn component_paths(&self, key: &str) -> Vec<String> {
        let items = match self.members.get(key) {
            Some(Value::Array(items)) => items.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        items.iter().filter_map(Value::as_str).filter_map(clean_path).collect()
    }

    /// The plugin.json of a release: `name`, `version`, `description`, `author`, then every other
    /// member as its author wrote it, mended where clients would refuse it.
    pub fn mend(&self, head: &Head<'_>, findings: &mut Vec<Finding>) -> Map<String, Value> {
        let mut out = Map::new();
        out.insert("name".into(), json!(head.name));
        out.insert("version".into(), json!(head.version.to_string()));
        let description = self.text("description").unwrap_or_else(|| head.description.to_owned());
        out.insert("description".into(), json!(description));
        out.insert("author".into(), self.author(head.author, findings));
        if let Some(written) = self.text("name").filter(|written| written != head.name) {
            let written = plain_text::shorten(&plain_text::one_line(&written), 80);
            self.warn(findings, "plugin-name", format!("the name `{written}` became `{}`", head.name));
        }
        for (key, value) in &self.members {
            match key.as_str() {
                "name" | "version" | "description" | "author" => {}
                "repository" => match repository(value) {
                    Some(url) => {
                        if !value.is_string() {
                            self.warn(findings, "plugin-repository", "`repository` became a plain URL");
                        }
                        out.insert(key.clone(), json!(url));
                    }
                    None => {
                        self.warn(
                            findings,
                            "plugin-repository",
                            "`repository` names no URL and was left out",
                        );
                    }
                },
                "keywords" if value.is_string() => {
                    out.insert(key.clone(), json!(self.keywords()));
                }
                key if COMPONENT_KEYS.contains(&key) => {
                    if let Some(value) = self.components(key, value, findings) {
                        out.insert(key.to_owned(), value);
                    }
                }
                _ => {
                    out.insert(key.clone(), value.clone());
                }
            }
        }
        out
    }

    fn warn(&self, findings: &mut Vec<Finding>, rule: &'static str, message: impl Into<String>) {
        findings.push(Finding::warning(&self.file, rule, message));
    }

    /// Clients want an object with a `name`; npm's `Name <mail> (url)` is read as such.
    fn author(&self, creator: &str, findings: &mut Vec<Finding>) -> Value {
        let value = match self.members.get("author") {
            Some(Value::Array(all)) => all.first(),
            other => other,
        };
        match value {
            Some(Value::Object(author)) if author.get("name").is_some_and(Value::is_string) => {
                Value::Object(author.clone())
            }
            Some(Value::Object(author)) => {
                let mut named = Map::new();
                named.insert("name".into(), json!(creator));
                named.extend(author.clone().into_iter().filter(|(key, _)| key != "name"));
                self.warn(findings, "plugin-author", "`author` has no name; the creator's was put in");
                Value::Object(named)
            }
            Some(Value::String(text)) if !text.trim().is_empty() => {
                self.warn(findings, "plugin-author", "`author` became an object with a `name`");
                person(text)
            }
            _ => json!({ "name": creator }),
        }
    }

    /// Paths begin with `./` and stay inside; anything else is left as it is.
    fn components(&self, key: &str, value: &Value, findings: &mut Vec<Finding>) -> Option<Value> {
        let mut mend = |text: &str| match clean_path(text) {
            Some(path) if path.is_empty() => Some(json!("./")),
            Some(path) => Some(json!(format!("./{path}{}", if text.ends_with('/') { "/" } else { "" }))),
            None => {
                let text = plain_text::shorten(&plain_text::one_line(text), 80);
                let message =
                    format!("`{key}` names `{text}`, which lies outside the plugin; it was left out");
                self.warn(findings, "plugin-path", message);
                None
            }
        };
        match value {
            Value::String(text) => mend(text),
            Value::Array(items) => Some(Value::Array(
                items
                    .iter()
                    .filter_map(|item| item.as_str().map_or_else(|| Some(item.clone()), &mut mend))
                    .collect(),
            )),
            other => Some(other.clone()),
        }
    }
}

/// What a release's plugin.json must say.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The skill's name.
    pub name: &'a str,
    /// The release's version.
    pub version: &'a Version,
    /// Description for when the author gave none here.
    pub description: &'a str,
    /// The creator, for when no author is named.
    pub author: &'a str,
}

/// A path inside a folder without `./`, doubled or closing slashes; `None` if it leaves the folder.
pub(crate) fn clean_path(text: &str) -> Option<String> {
    let text = text.trim();
    if text.starts_with('/') || text.contains(['\\', ':']) {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn repository(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text,
        Value::Object(object) => object.get("url")?.as_str()?,
        _ => return None,
    };
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn person(text: &str) -> Value {
    let between = |open: char, close: char| {
        let (_, rest) = text.split_once(open)?;
        let (inner, _) = rest.split_once(close)?;
        let inner = inner.trim();
        (!inner.is_empty()).then(|| inner.to_owned())
    };
    let name = text.split(['<', '(']).next().unwrap_or("").trim();
    let mut author = Map::new();
    author.insert("name".into(), json!(if name.is_empty() { text.trim() } else { name }));
    for (key, value) in [("email", between('<', '>')), ("url", between('(', ')'))] {
        if let Some(value) = value {
            author.insert(key.into(), json!(value));
        }
    }
    Value::Object(author)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mend(text: &str) -> (String, Vec<&'static str>) {
        let (manifest, mut findings) = read(text.as_bytes(), PATH).unwrap();
        let version = Version::new(1, 2, 3);
        let head = Head { name: "x", version: &version, description: "made", author: "Ann" };
        let out = manifest.mend(&head, &mut findings);
        (json::write(&out), findings.iter().map(|finding| finding.rule).collect())
    }

    #[test]
    fn every_key_is_kept_and_the_refused_forms_are_mended() {
        let (text, rules) = mend(
            r#"{ "license": "MIT", "name": "X Tool", "author": "Bo <bo@x.org> (https://x.org)",
                 "repository": {"type": "git", "url": "https://x.org/r.git"}, "keywords": "a, b",
                 "commands": ["commands/a.md", "../b.md", "./c/"], "hooks": {"Stop": []}, "future": [1.50], }"#,
        );
        insta::assert_snapshot!(text, @r#"
        {
          "name": "x",
          "version": "1.2.3",
          "description": "made",
          "author": {
            "name": "Bo",
            "email": "bo@x.org",
            "url": "https://x.org"
          },
          "license": "MIT",
          "repository": "https://x.org/r.git",
          "keywords": [
            "a",
            "b"
          ],
          "commands": [
            "./commands/a.md",
            "./c/"
          ],
          "hooks": {
            "Stop": []
          },
          "future": [
            1.5
          ]
        }
        "#);
        assert_eq!(
            rules,
            ["plugin-json", "plugin-author", "plugin-name", "plugin-repository", "plugin-path"]
        );
    }

    #[test]
    fn a_correct_manifest_is_left_alone() {
        let (text, rules) =
            mend(r#"{"name":"x","description":"mine","author":{"name":"Bo","twitter":"@bo"}}"#);
        assert!(rules.is_empty(), "{rules:?}");
        assert!(text.contains("\"mine\"") && text.contains("\"twitter\""));
        let (text, _) = mend(r#"{"author": {"email": "a@b"}}"#);
        assert!(text.contains("\"name\": \"Ann\",\n    \"email\": \"a@b\""));
    }

    #[test]
    fn a_path_never_leaves_its_folder() {
        for (text, path) in [("./a//b/", Some("a/b")), ("a/../b", Some("b")), ("./", Some(""))] {
            assert_eq!(clean_path(text).as_deref(), path);
        }
        for text in ["../a", "a/../../b", "/a", "a\\b", "c:/x"] {
            assert_eq!(clean_path(text), None);
        }
    }

    proptest! {
        #[test]
        fn a_mended_manifest_is_mended_once_and_for_all(keys in proptest::collection::vec(("[a-z]{1,6}|commands|author|repository|keywords", "(\\.\\./)?[ -~]{0,12}"), 0..6)) {
            let mut members = Map::new();
            for (key, value) in keys {
                members.insert(key, json!(value));
            }
            let version = Version::first();
            let head = Head { name: "x", version: &version, description: "d", author: "Ann" };
            let once = PluginManifest { file: String::new(), members }.mend(&head, &mut Vec::new());
            let mut findings = Vec::new();
            let twice = PluginManifest { file: String::new(), members: once.clone() }.mend(&head, &mut findings);
            prop_assert_eq!(once, twice);
            prop_assert_eq!(findings, vec![]);
        }
    }
}
