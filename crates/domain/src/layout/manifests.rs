//! The files that a release has whether or not its author wrote them: plugin.json,
//! gemini-extension.json, README.md. Owns their content; refuses to touch any other file.

use super::Release;
use super::files::Placed;
use crate::discovery::Shape;
use crate::finding::Finding;
use crate::manifest::json;
use crate::manifest::plugin_json::{self, Head};
use crate::manifest::skill_md::MAX_DESCRIPTION;
use crate::plain_text;
use serde_json::{Map, Value, json};

/// Where Gemini CLI looks for an extension's manifest.
pub(super) const GEMINI: &str = "gemini-extension.json";

impl Release<'_> {
    pub(super) fn add_manifests(&mut self, placed: &[Placed], findings: &mut Vec<Finding>) {
        let description = plain_text::shorten(&self.found.description, MAX_DESCRIPTION);
        let head = Head {
            name: &self.found.name,
            version: self.version,
            description: &description,
            author: self.creator,
        };
        let plugin = self.found.manifest.mend(&head, findings);
        let origin = self.found.manifest.file.clone();
        self.add_made(plugin_json::PATH, json::write(&plugin), origin.as_bytes());
        let gemini = self.gemini(placed, &description, findings);
        self.add_made(GEMINI, json::write(&gemini), b"");
        if !self.has("README.md") {
            let text = format!("# {}\n\n{}\n", self.found.name, self.found.description);
            self.add_made("README.md", text, b"");
        }
    }

    /// The author's own, under our name and version, or the least that Gemini CLI loads.
    fn gemini(
        &self,
        placed: &[Placed],
        description: &str,
        findings: &mut Vec<Finding>,
    ) -> Map<String, Value> {
        let own = placed.iter().find(|file| file.inside == GEMINI.as_bytes());
        let mut members = Map::new();
        members.insert("name".into(), json!(self.found.name));
        members.insert("version".into(), json!(self.version.to_string()));
        let Some(own) = own else {
            members.insert("description".into(), json!(description));
            return members;
        };
        let is_small = self.tree.entries()[own.source].size <= json::MAX_BYTES as u64;
        let read = is_small.then(|| self.tree.read(own.source).ok()).flatten();
        match read.map(|bytes| json::read_object(&bytes)) {
            Some(Ok(object)) => {
                let rest = object.members.into_iter().filter(|(key, _)| key != "name" && key != "version");
                members.extend(rest.map(|(key, value)| self.in_place(key, value)));
            }
            failed => {
                let why =
                    failed.and_then(Result::err).map_or_else(String::new, |error| format!(" ({error})"));
                let path = String::from_utf8_lossy(&own.origin);
                let message = format!("it cannot be read{why}; it was written anew");
                findings.push(Finding::warning(&path, "gemini-extension", message));
            }
        }
        members
    }

    /// A member that names a file which now lies with the skill.
    fn in_place(&self, key: String, value: Value) -> (String, Value) {
        match &value {
            Value::String(path) if key == "contextFileName" && self.found.shape == Shape::Skill => {
                let path = json!(format!("skills/{}/{path}", self.found.name));
                (key, path)
            }
            _ => (key, value),
        }
    }
}
