//! `.claude-plugin/marketplace.json` of a creator's own source: which folders are plugins. Owns the
//! reading of entries; refuses entries that lie outside the source.

use super::json;
use super::plugin_json::{PluginManifest, clean_path};
use crate::finding::Finding;
use crate::plain_text;
use serde_json::{Map, Value};

/// Where it lies inside a source.
pub const PATH: &str = ".claude-plugin/marketplace.json";

/// Most entries that are read.
const MAX_ENTRIES: usize = 5_000;

/// Members of an entry that are about the marketplace and not the plugin.
const ENTRY_KEYS: [&str; 4] = ["source", "strict", "category", "tags"];

/// What a source says its plugins are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceMarketplace {
    /// Plugins inside the source, in their author's order.
    pub entries: Vec<PluginEntry>,
    /// What was mended or passed over.
    pub findings: Vec<Finding>,
}

/// One plugin of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginEntry {
    /// Its name, as written.
    pub name: Option<String>,
    /// Folders where it may lie, most likely first; `""` is the root of the source.
    pub folders: Vec<String>,
    /// Whether a plugin.json in that folder leads (`strict`, which clients take for true).
    pub strict: bool,
    /// Category.
    pub category: Option<String>,
    /// Tags, one line each.
    pub tags: Vec<String>,
    /// Everything else the entry says; the same members as a plugin.json.
    pub manifest: PluginManifest,
}

/// Reads a marketplace.json.
///
/// # Errors
/// An error finding when it is not a JSON object with a list of plugins.
pub fn read(bytes: &[u8]) -> Result<SourceMarketplace, Finding> {
    let object = json::read_object(bytes)
        .map_err(|error| Finding::error(PATH, "marketplace-json", error.message.clone()).at(error.line))?;
    let mut market = SourceMarketplace::default();
    if object.mended {
        let message = "comments or trailing commas are not JSON; they were passed over";
        market.findings.push(Finding::warning(PATH, "marketplace-json", message));
    }
    let Some(Value::Array(plugins)) = object.members.get("plugins") else {
        return Err(Finding::error(PATH, "marketplace-json", "it has no list `plugins`"));
    };
    let metadata = object.members.get("metadata").and_then(|metadata| metadata.get("pluginRoot"));
    let root = metadata.or_else(|| object.members.get("pluginRoot")).and_then(Value::as_str);
    let root = root.and_then(clean_path).unwrap_or_default();
    if plugins.len() > MAX_ENTRIES {
        let message = format!("only the first {MAX_ENTRIES} of {} plugins are read", plugins.len());
        market.findings.push(Finding::warning(PATH, "marketplace-entries", message));
    }
    for (at, plugin) in plugins.iter().take(MAX_ENTRIES).enumerate() {
        match entry(plugin, at, &root) {
            Ok(entry) => market.entries.push(entry),
            Err(finding) => market.findings.push(finding),
        }
    }
    Ok(market)
}

fn entry(plugin: &Value, at: usize, root: &str) -> Result<PluginEntry, Finding> {
    let warn = |message: String| Finding::warning(PATH, "marketplace-entry", message);
    let Value::Object(members) = plugin else {
        return Err(warn(format!("entry {} is not an object and was passed over", at + 1)));
    };
    let name = members.get("name").and_then(Value::as_str).map(str::to_owned);
    let shown = plain_text::shorten(&plain_text::one_line(name.as_deref().unwrap_or("without a name")), 80);
    let written = match members.get("source") {
        Some(Value::String(path)) => path.as_str(),
        None => return Err(warn(format!("`{shown}` has no source and was passed over"))),
        Some(_) => {
            return Err(warn(format!(
                "`{shown}` lies in another repository and was passed over; push it as a source of its own"
            )));
        }
    };
    let Some(path) = clean_path(written) else {
        return Err(warn(format!(
            "the source of `{shown}` is not a folder in this repository; it was passed over"
        )));
    };
    let mut folders = vec![path.clone()];
    if !root.is_empty() {
        let joined = if path.is_empty() { root.to_owned() } else { format!("{root}/{path}") };
        // A bare word is meant to lie under the root; a path with `./` may be either.
        let place = usize::from(written.starts_with("./"));
        folders.insert(place, joined);
    }
    let keep = |(key, _): &(&String, &Value)| !ENTRY_KEYS.contains(&key.as_str());
    let rest: Map<String, Value> =
        members.iter().filter(keep).map(|(key, value)| (key.clone(), value.clone())).collect();
    Ok(PluginEntry {
        name,
        folders,
        strict: members.get("strict").and_then(Value::as_bool).unwrap_or(true),
        category: members.get("category").and_then(Value::as_str).map(plain_text::one_line),
        tags: tags(members.get("tags")),
        manifest: PluginManifest { file: PATH.to_owned(), members: rest },
    })
}

fn tags(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let lines = items.iter().filter_map(Value::as_str).map(plain_text::one_line);
    lines.filter(|line| !line.is_empty()).take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_inside_the_source_are_taken_and_others_are_told() {
        let market = read(
            br#"{ "name": "m", "owner": {"name": "o"}, "metadata": {"pluginRoot": "./plugins"}, "plugins": [
              {"name": "a", "source": "./x/a", "category": "dev", "tags": ["t"], "version": "1.0.0"},
              {"name": "b", "source": "b", "strict": false, "skills": ["./s/one"]},
              {"name": "c", "source": {"source": "github", "repo": "o/c"}},
              {"name": "d", "source": "../d"}, 5, {"name": "e"} ] }"#,
        )
        .unwrap();
        let folders: Vec<_> = market.entries.iter().map(|entry| entry.folders.clone()).collect();
        assert_eq!(folders, [vec!["x/a", "plugins/x/a"], vec!["plugins/b", "b"]]);
        assert_eq!(market.findings.len(), 4);
        let (a, b) = (&market.entries[0], &market.entries[1]);
        assert_eq!((a.strict, a.category.as_deref(), a.tags.len()), (true, Some("dev"), 1));
        assert_eq!(a.manifest.version().unwrap().text, "1.0.0");
        assert_eq!((b.strict, b.manifest.component_paths("skills")), (false, vec!["s/one".to_owned()]));
    }

    #[test]
    fn what_is_not_a_marketplace_is_an_error() {
        for text in ["", "[]", "{}", r#"{"plugins": {}}"#] {
            assert!(read(text.as_bytes()).unwrap_err().is_error());
        }
    }
}
