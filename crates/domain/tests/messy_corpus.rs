//! A thousand skills with the defects that public collections have, at the rates measured there
//! (docs/agents.md, section 5): at least 99 of 100 become releases, every key is kept, and a YAML reader that is
//! not ours takes every SKILL.md.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use serde_json::{Value, json};
use skaas_domain::discovery::{Shape, discover};
use skaas_domain::layout::{LaidContent, LaidOut, lay_out};
use skaas_domain::source_tree::{MemoryTree, SourceTree};
use skaas_domain::version::{Version, decide_version};
use std::collections::BTreeMap;

/// A small generator (Knuth's MMIX constants): the corpus is the same on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    /// True in `n` of a thousand.
    fn per_mille(&mut self, n: u64) -> bool {
        self.below(1000) < n
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

/// Keys beyond the specification, as found.
const EXTRA: [(&str, &str); 12] = [
    ("version", "1.10"),
    ("user-invocable", "false"),
    ("disable-model-invocation", "true"),
    ("argument-hint", "[file] [line]"),
    ("context", "fork"),
    ("agent", "Explore"),
    ("hooks", "{PreToolUse: [{matcher: Bash, hooks: [{type: command, command: \"x: y\"}]}]}"),
    ("tools", "Read, Grep, Glob"),
    ("author", "Some One <one@example.org>"),
    ("category", "data & analysis"),
    ("triggers", "\n  - \"when: x\"\n  - plain words"),
    ("metadata", "\n  version: 2.0\n  tags: [a, b]\n  author: 'x: y'"),
];

/// One skill's text with the keys it must keep.
fn skill_text(dice: &mut Dice, name: &str) -> (Vec<u8>, Vec<&'static str>) {
    let shown = match dice.below(1000) {
        0..50 => format!("{name}-renamed"),
        50..80 => "AWS Penetration Testing".to_owned(),
        80..90 => format!("{name}: with colon"),
        _ => name.to_owned(),
    };
    let description = match dice.below(1000) {
        0..60 => format!("Use when: working on {name}. Note: \"quoted\" and it's fine"),
        60..90 => format!("Handles <{name}> and </tags> & more"),
        90..100 => "word ".repeat(280),
        100..120 => format!("'single {name} with 'inner' quotes'"),
        120..160 => format!(">-\n  Folded {name}\n  over lines: two"),
        160..190 => format!("|\n  Literal {name}\n\n  - list: x"),
        190..200 => String::new(),
        200..210 => format!("@{name} `backtick` %percent [not a list]"),
        210..220 => format!("{name} \u{2014} d\u{e9}j\u{e0} vu \u{1f680} {{braces}}"),
        _ => format!("Does {name} well, with care."),
    };
    let mut keys = Vec::new();
    let mut head = format!("name: {shown}\ndescription: {description}\n");
    if dice.per_mille(130) {
        for _ in 0..=dice.below(3) {
            let (key, value) = EXTRA[usize::try_from(dice.below(EXTRA.len() as u64)).unwrap()];
            if !keys.contains(&key) {
                keys.push(key);
                head = format!("{head}{key}: {value}\n");
            }
        }
    }
    if dice.per_mille(300) {
        keys.push("license");
        head.push_str("license: MIT\n");
    }
    if dice.per_mille(15) {
        head.push_str("name: given twice\n");
    }
    if dice.per_mille(10) {
        head = format!("# a comment\n{head}\n");
    }
    let body = format!("# {name}\n\nInstructions for {name}.\n\n---\n\nname: not a key\n");
    let mut text = match dice.below(1000) {
        0..10 => {
            keys.clear();
            body
        }
        10..15 => format!("---\n{head}\n{body}"),
        15..25 => format!("\n\n---\n{head}---\n{body}"),
        25..30 => format!("---\n{}---\n{body}", head.replace("\n  ", "\n\t")),
        _ => format!("---\n{head}---\n{body}"),
    };
    if dice.per_mille(30) {
        text = text.replace('\n', "\r\n");
    }
    if dice.per_mille(20) {
        text.insert(0, '\u{feff}');
    }
    let mut bytes = text.into_bytes();
    if dice.per_mille(5) {
        bytes.extend(b"caf\xe9\n");
    }
    (bytes, keys)
}

/// Adds a skill's folder; gives the keys it must keep, or none if it is not to become a release.
fn add_skill(tree: &mut MemoryTree, dice: &mut Dice, folder: &str, name: &str) -> Option<Vec<&'static str>> {
    let (text, keys) = skill_text(dice, name);
    let mut with = std::mem::take(tree).file(format!("{folder}/SKILL.md"), text);
    for at in 0..dice.below(6) {
        let kind = dice.pick(&["scripts/run", "references/part", "assets/a b", "deep/er/x"]);
        with = with.file(format!("{folder}/{kind}-{at}.md"), format!("{name} {at}"));
    }
    if dice.per_mille(20) {
        with =
            with.file(format!("{folder}/CLAUDE.md"), "c").symlink(format!("{folder}/AGENTS.md"), "CLAUDE.md");
    }
    if dice.per_mille(10) {
        with = with
            .file(format!("{folder}/node_modules/tool/cli.js"), "js")
            .file(format!("{folder}/node_modules/tool/SKILL.md"), "---\nname: inner\n---\n")
            .symlink(format!("{folder}/node_modules/.bin/tool"), "../tool/cli.js");
    }
    if dice.per_mille(10) {
        with = with.symlink(format!("{folder}/hooks/dangling"), "../nowhere.sh");
    }
    if dice.per_mille(10) {
        with = with
            .file(format!("{folder}/.DS_Store"), "x")
            .file(format!("{folder}/.gitattributes"), "* text=auto");
    }
    let is_unsafe = dice.per_mille(4);
    if is_unsafe {
        let bad = dice.pick(&["aux.md", "a\\b", "x:y", "A/b", "end."]);
        with = with.file(format!("{folder}/{bad}"), "x").file(format!("{folder}/a/b"), "x");
    }
    *tree = with;
    (!is_unsafe).then_some(keys)
}

fn text_of(tree: &MemoryTree, laid: &LaidOut, path: &str) -> String {
    let file = laid.files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("no {path}"));
    match &file.content {
        LaidContent::Made(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        LaidContent::Source(at) => String::from_utf8(tree.read(*at).unwrap()).unwrap(),
    }
}

/// What every client demands of a SKILL.md, read by a YAML reader that is not ours.
fn check_skill_md(text: &str, name: &str, keys: &[&str]) {
    let rest = text.strip_prefix("---\n").expect("a frontmatter first");
    let (head, _) = rest.split_once("\n---\n").expect("a frontmatter that ends");
    assert!(!text.contains('\r') && !text.contains('\u{feff}'), "{text}");
    let fields: BTreeMap<String, Value> =
        serde_saphyr::from_str(head).unwrap_or_else(|error| panic!("{error}\n{head}"));
    assert_eq!(fields["name"].as_str(), Some(name));
    let description = fields["description"].as_str().expect("a text");
    let length = description.encode_utf16().count();
    assert!((1..=1024).contains(&length), "{length}: {description}");
    for key in keys {
        assert!(fields.contains_key(*key), "{key} is lost from\n{text}");
    }
}

struct Outcome {
    released: usize,
    refused: Vec<String>,
}

/// Lays every skill of a source out and checks each release.
fn release_all(tree: &MemoryTree, expected: &BTreeMap<String, Option<Vec<&'static str>>>) -> Outcome {
    let found = discover(tree, "collection");
    assert_eq!(found.skills.len(), expected.len());
    let mut outcome = Outcome { released: 0, refused: Vec::new() };
    for skill in &found.skills {
        let version =
            decide_version(&skill.declared, None, None).map_or_else(|_| Version::first(), |d| d.version);
        let keys = &expected[&skill.folder];
        match lay_out(skill, tree, &version, "Ann") {
            Ok(laid) => {
                outcome.released += 1;
                let plugin: Value =
                    serde_json::from_str(&text_of(tree, &laid, ".claude-plugin/plugin.json")).unwrap();
                assert_eq!(plugin["name"].as_str(), Some(skill.name.as_str()));
                assert!(plugin["author"]["name"].is_string() && plugin["version"].is_string());
                if skill.shape == Shape::Skill {
                    let text = text_of(tree, &laid, &format!("skills/{}/SKILL.md", skill.name));
                    check_skill_md(&text, &skill.name, keys.as_ref().map_or(&[], Vec::as_slice));
                }
                assert!(laid.files.is_sorted_by(|a, b| a.path < b.path));
                assert!(keys.is_some(), "{} is unsafe and became a release", skill.folder);
            }
            Err(refused) => {
                assert!(keys.is_none(), "{}: {refused}", skill.folder);
                outcome.refused.push(refused.to_string());
            }
        }
    }
    outcome
}

#[test]
fn at_least_99_of_100_messy_skills_become_releases_with_no_help() {
    let mut dice = Dice(20_261_120);
    let mut tree = MemoryTree::new();
    let mut expected = BTreeMap::new();
    for at in 0..560 {
        let folder = format!("skills/skill-{at:03}");
        let keys = add_skill(&mut tree, &mut dice, &folder, &format!("skill-{at:03}"));
        expected.insert(folder, keys);
    }
    for at in 0..440 {
        let place = dice.pick(&["engineering", "Data Science", ".claude/skills", "plugins/x/skills"]);
        let folder = format!("{place}/item-{at:03}");
        let keys = add_skill(&mut tree, &mut dice, &folder, &format!("item-{at:03}"));
        expected.insert(folder, keys);
    }
    let outcome = release_all(&tree, &expected);
    assert_eq!(outcome.released + outcome.refused.len(), 1000);
    assert!(outcome.released >= 990, "{:#?}", outcome.refused);
    assert!(!outcome.refused.is_empty(), "the corpus holds what must be refused");
}

#[test]
fn a_monorepo_of_180_plugins_becomes_180_releases() {
    let mut dice = Dice(7);
    let mut tree = MemoryTree::new().file("README.md", "r");
    let mut expected = BTreeMap::new();
    let mut entries = Vec::new();
    for at in 0..180 {
        let name = format!("plugin-{at:03}");
        let folder = format!("plugins/{name}");
        let mut entry = json!({"name": name, "source": format!("./plugins/{name}"), "category": "dev"});
        if dice.per_mille(600) {
            let author =
                if dice.per_mille(200) { json!("Bo <bo@example.org>") } else { json!({"name": "Bo"}) };
            let manifest = json!({"name": name, "description": "D.", "version": "1.0", "author": author,
                "repository": {"type": "git", "url": "https://example.org/x"}});
            tree = tree.file(format!("{folder}/.claude-plugin/plugin.json"), manifest.to_string());
        } else {
            entry["strict"] = json!(false);
            entry["description"] = json!("From the entry.");
        }
        tree = tree.file(format!("{folder}/commands/go.md"), "---\ndescription: go\n---\n");
        let mut is_safe = true;
        for inner in 0..dice.below(4) {
            let keys =
                add_skill(&mut tree, &mut dice, &format!("{folder}/skills/s{inner}"), &format!("s{inner}"));
            is_safe &= keys.is_some();
        }
        expected.insert(folder, is_safe.then(Vec::new));
        entries.push(entry);
    }
    let market = json!({"name": "m", "owner": {"name": "o"}, "plugins": entries});
    tree = tree.file(".claude-plugin/marketplace.json", market.to_string());
    let outcome = release_all(&tree, &expected);
    assert!(outcome.released >= 178, "{:#?}", outcome.refused);
}
