//! The text of a marketplace.json that we serve, in pieces: head, one fragment per skill and
//! variant, tail. Owns every byte of it; refuses to know who sees which variant.
//!
//! A document is [`head`] + the fragments + [`tail`], where the first fragment present loses the
//! comma it begins with. See docs/agents.md, section 4, for what clients expect.

use crate::entitlement::StubReason;
use crate::plain_text::{one_line, shorten, utf16_len};
use crate::stub::{can_buy, suffix};
use serde_json::{Map, Value, json};

/// What every fragment begins with; its first byte, the comma, is dropped from the first one.
pub const SEPARATOR: &str = ",\n    ";

/// What the description ends in of an entry that can be unlocked.
pub const LOCKED_SUFFIX: &str = "[NOT PURCHASED - run /buy to unlock]";

/// Longest description in an entry, in UTF-16 units, suffix and price included.
pub const MAX_DESCRIPTION: usize = 500;

/// Longest other text of an entry (names, category, tag), in UTF-16 units.
const MAX_LABEL: usize = 100;

/// Most tags of an entry.
const MAX_TAGS: usize = 16;

/// What an entry says of one skill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryInput<'a> {
    /// The skill's name.
    pub name: &'a str,
    /// The listing's description; capped here.
    pub description: &'a str,
    /// The version served under this entry: a release's, or the stub's if locked.
    pub version: &'a str,
    /// Where the skill's repository is, an absolute URL ending in `.git`.
    pub source_url: &'a str,
    /// Category.
    pub category: Option<&'a str>,
    /// Tags.
    pub tags: &'a [String],
    /// The skill's page.
    pub homepage: Option<&'a str>,
    /// The creator's display name.
    pub creator: &'a str,
    /// Price and interval as people read them (`$9 a month`); shown while it can be unlocked.
    pub price: Option<String>,
    /// Why this is the variant for someone who has no access; `None` for someone who has.
    pub locked: Option<StubReason>,
}

/// Everything before the first entry: `name`, `owner.name`, `metadata.description`, and the wish
/// that clients uninstall what leaves the list.
pub fn head(name: &str, owner: &str, description: &str) -> String {
    let value = json!({
        "name": one_line(name),
        "owner": { "name": shorten(&one_line(owner), MAX_LABEL) },
        "metadata": { "description": shorten(&one_line(description), MAX_DESCRIPTION) },
        "forceRemoveDeletedPlugins": true,
    });
    let text = pretty(&value);
    let open = text.strip_suffix("\n}").expect("a pretty object ends in a brace on a line");
    format!("{open},\n  \"plugins\": [")
}

/// One entry: a JSON object, indented to its place in the document, without separator.
pub fn entry(input: &EntryInput<'_>) -> String {
    let mut members = Map::new();
    members.insert("name".into(), json!(input.name));
    members.insert("source".into(), json!({ "source": "url", "url": input.source_url }));
    members.insert("description".into(), json!(described(input)));
    members.insert("version".into(), json!(input.version));
    members.insert("author".into(), json!({ "name": label(input.creator) }));
    if let Some(category) = input.category.map(label).filter(|text| !text.is_empty()) {
        members.insert("category".into(), json!(category));
    }
    let tags: Vec<String> = input.tags.iter().take(MAX_TAGS).map(|tag| label(tag)).collect();
    if !tags.is_empty() {
        members.insert("tags".into(), json!(tags));
    }
    if let Some(homepage) = input.homepage {
        members.insert("homepage".into(), json!(homepage));
    }
    // No text holds a raw line break, so every one of them is between tokens.
    pretty(&Value::Object(members)).replace('\n', "\n    ")
}

fn label(text: &str) -> String {
    shorten(&one_line(text), MAX_LABEL)
}

fn described(input: &EntryInput<'_>) -> String {
    let text = one_line(input.description);
    match (input.locked, &input.price) {
        (None, _) => shorten(&text, MAX_DESCRIPTION),
        (Some(reason), _) if !can_buy(reason) => join_suffix(&text, suffix(reason), MAX_DESCRIPTION),
        (Some(_), None) => join_suffix(&text, LOCKED_SUFFIX, MAX_DESCRIPTION),
        (Some(_), Some(price)) => {
            join_suffix(&text, &format!("({}) {LOCKED_SUFFIX}", label(price)), MAX_DESCRIPTION)
        }
    }
}

/// The text shortened so that it and the whole suffix fit the limit.
pub(crate) fn join_suffix(text: &str, suffix: &str, limit: usize) -> String {
    let room = limit.saturating_sub(utf16_len(suffix) + 1);
    let text = shorten(text, room);
    if text.is_empty() { suffix.to_owned() } else { format!("{text} {suffix}") }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("a JSON value always has a text")
}

/// One fragment: [`SEPARATOR`] and the entry.
pub fn fragment(input: &EntryInput<'_>) -> String {
    format!("{SEPARATOR}{}", entry(input))
}

/// Everything after the last entry.
pub fn tail() -> &'static str {
    "\n  ]\n}\n"
}

/// The whole document, joined the simple way: what any cleverer joining must equal.
pub fn document<'a>(head: &str, fragments: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = head.to_owned();
    for (at, fragment) in fragments.into_iter().enumerate() {
        text.push_str(if at == 0 { fragment.strip_prefix(',').unwrap_or(fragment) } else { fragment });
    }
    text.push_str(tail());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn input<'a>(name: &'a str, description: &'a str, locked: bool) -> EntryInput<'a> {
        EntryInput {
            name,
            description,
            version: "1.0.0",
            source_url: "https://skaas.example/me/skills/x.git",
            category: None,
            tags: &[],
            homepage: None,
            creator: "Ann",
            price: None,
            locked: locked.then_some(StubReason::NotPurchased),
        }
    }

    #[test]
    fn what_cannot_be_bought_is_not_said_to_be_for_sale() {
        for (reason, words) in [
            (StubReason::Withdrawn, "[NO LONGER OFFERED]"),
            (StubReason::Quarantined, "[HELD BACK FOR REVIEW]"),
        ] {
            let entry =
                EntryInput { locked: Some(reason), price: Some("$9".into()), ..input("x", "Text.", true) };
            assert_eq!(described(&entry), format!("Text. {words}"));
        }
    }

    #[test]
    fn a_document_is_what_clients_want() {
        let tags = ["lint".to_owned(), "rust".to_owned()];
        let locked = EntryInput {
            price: Some("$9 a month".into()),
            category: Some("development"),
            tags: &tags,
            homepage: Some("https://skaas.example/skills/lint-pro"),
            version: "0.0.0-stub.0a1b2c3d",
            ..input("lint-pro", "Finds\nbugs.", true)
        };
        let parts = [fragment(&locked), fragment(&input("free", "Costs nothing.", false))];
        let text =
            document(&head("bob-skills", "Bob", "Everything Bob may use"), parts.iter().map(String::as_str));
        insta::assert_snapshot!(text, @r#"
        {
          "name": "bob-skills",
          "owner": {
            "name": "Bob"
          },
          "metadata": {
            "description": "Everything Bob may use"
          },
          "forceRemoveDeletedPlugins": true,
          "plugins": [
            {
              "name": "lint-pro",
              "source": {
                "source": "url",
                "url": "https://skaas.example/me/skills/x.git"
              },
              "description": "Finds bugs. ($9 a month) [NOT PURCHASED - run /buy to unlock]",
              "version": "0.0.0-stub.0a1b2c3d",
              "author": {
                "name": "Ann"
              },
              "category": "development",
              "tags": [
                "lint",
                "rust"
              ],
              "homepage": "https://skaas.example/skills/lint-pro"
            },
            {
              "name": "free",
              "source": {
                "source": "url",
                "url": "https://skaas.example/me/skills/x.git"
              },
              "description": "Costs nothing.",
              "version": "1.0.0",
              "author": {
                "name": "Ann"
              }
            }
          ]
        }
        "#);
    }

    #[test]
    fn a_document_may_be_empty() {
        let text = document(&head("m", "o", ""), []);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["plugins"], json!([]));
    }

    proptest! {
        #[test]
        fn no_text_breaks_out_of_its_entry(texts in proptest::collection::vec(any::<String>(), 5), locked in any::<[bool; 3]>()) {
            let entries: Vec<String> = locked.iter().map(|&locked| {
                let tags = [texts[2].clone()];
                fragment(&EntryInput {
                    creator: &texts[1], tags: &tags, category: Some(&texts[3]),
                    price: Some(texts[4].clone()), ..input("x", &texts[0], locked)
                })
            }).collect();
            let text = document(&head("m", &texts[1], &texts[0]), entries.iter().map(String::as_str));
            let value: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(value.as_object().unwrap().len(), 5);
            let plugins = value["plugins"].as_array().unwrap();
            prop_assert_eq!(plugins.len(), 3);
            for (plugin, locked) in plugins.iter().zip(locked) {
                let description = plugin["description"].as_str().unwrap();
                prop_assert!(utf16_len(description) <= MAX_DESCRIPTION);
                prop_assert!(!locked || description.ends_with(LOCKED_SUFFIX));
                prop_assert!(!description.chars().any(crate::plain_text::is_unprintable));
                prop_assert_eq!(plugin["name"].as_str(), Some("x"));
            }
        }
    }
}
