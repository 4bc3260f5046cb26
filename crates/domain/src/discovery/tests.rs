//! Sources as people lay them out, and what is found in them.

use super::*;
use crate::source_tree::MemoryTree;
use proptest::prelude::*;

const PLUGIN: &str = ".claude-plugin/plugin.json";
const MARKET: &str = ".claude-plugin/marketplace.json";

fn skill(name: &str) -> String {
    format!("---\nname: {name}\ndescription: Does {name}.\n---\n# {name}\n")
}

fn find_all(tree: &MemoryTree) -> Discovery {
    discover(tree, "my-source")
}

/// Name, folder, shape and number of files of each.
fn summary(found: &Discovery) -> Vec<(String, String, Shape, usize)> {
    found
        .skills
        .iter()
        .map(|skill| (skill.name.clone(), skill.folder.clone(), skill.shape, skill.entries.len()))
        .collect()
}

fn row(name: &str, folder: &str, shape: Shape, files: usize) -> (String, String, Shape, usize) {
    (name.to_owned(), folder.to_owned(), shape, files)
}

fn rules(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.rule).collect()
}

#[test]
fn a_skill_at_the_root_is_named_by_itself_else_by_its_source() {
    let tree = MemoryTree::new()
        .file("SKILL.md", skill("lint-pro"))
        .file("scripts/a.sh", "x")
        .file("README.md", "r");
    assert_eq!(summary(&find_all(&tree)), [row("lint-pro", "", Shape::Skill, 3)]);
    let tree = MemoryTree::new().file("SKILL.md", "# Just a body\n\nDo things.\n");
    let found = find_all(&tree);
    assert_eq!(summary(&found), [row("my-source", "", Shape::Skill, 1)]);
    assert_eq!(found.skills[0].description, "Do things.");
}

#[test]
fn skills_are_found_wherever_they_lie() {
    let tree = MemoryTree::new()
        .file("skills/a/SKILL.md", skill("a"))
        .file("skills/a/references/x.md", "x")
        .file("skills/dev/b/SKILL.md", skill("b"))
        .file(".claude/skills/c/SKILL.md", skill("c"))
        .file("deep/er/still/d/skill.md", skill("d"))
        .file("e/SKILL.md", skill("e"))
        .file("README.md", "about");
    assert_eq!(
        summary(&find_all(&tree)),
        [
            row("a", "skills/a", Shape::Skill, 2),
            row("b", "skills/dev/b", Shape::Skill, 1),
            row("c", ".claude/skills/c", Shape::Skill, 1),
            row("d", "deep/er/still/d", Shape::Skill, 1),
            row("e", "e", Shape::Skill, 1),
        ]
    );
}

#[test]
fn a_skill_is_named_by_its_folder_and_the_difference_is_told() {
    let tree = MemoryTree::new()
        .file("skills/Pen Test/SKILL.md", skill("AWS Penetration Testing"))
        .file("skills/same/SKILL.md", skill("same"))
        .file("skills/\u{6280}\u{80fd}/SKILL.md", skill("craft"))
        .file("only/skill/SKILL.md", skill("inner-name"));
    let found = find_all(&tree);
    let names: Vec<_> = found.skills.iter().map(|skill| skill.name.as_str()).collect();
    assert_eq!(names, ["craft", "inner-name", "pen-test", "same"]);
    assert_eq!(rules(&found.skills[2].findings), ["name", "skill-name"]);
    assert_eq!(rules(&found.skills[3].findings), Vec::<&str>::new());
}

#[test]
fn a_skill_inside_a_skill_belongs_to_it() {
    let tree = MemoryTree::new()
        .file("x/SKILL.md", skill("x"))
        .file("x/sub/y/SKILL.md", skill("y"))
        .file("x/sub/z/SKILL.md", skill("z"));
    let found = find_all(&tree);
    assert_eq!(summary(&found), [row("x", "x", Shape::Skill, 3)]);
    assert_eq!(rules(&found.skills[0].findings), ["nested-skill"]);
}

#[test]
fn a_whole_plugin_is_one_whatever_it_holds() {
    let tree = MemoryTree::new()
        .file(PLUGIN, r#"{"name": "Dev Kit", "version": "2.1.0", "description": "Kit.", "keywords": ["k"]}"#)
        .file("commands/go.md", "x")
        .file(".mcp.json", "{}")
        .file("skills/a/SKILL.md", skill("a"))
        .file("skills/b/SKILL.md", skill("b"));
    let found = find_all(&tree);
    assert_eq!(summary(&found), [row("dev-kit", "", Shape::Plugin, 5)]);
    let plugin = &found.skills[0];
    assert_eq!(plugin.declared.plugin_json.as_ref().unwrap().text, "2.1.0");
    assert_eq!((plugin.description.as_str(), plugin.tags.as_slice()), ("Kit.", &["k".to_owned()][..]));
    assert_eq!(rules(&plugin.findings), ["name"]);
}

#[test]
fn a_plugin_that_is_only_a_root_skill_md_is_a_skill() {
    let tree = MemoryTree::new()
        .file("p/.claude-plugin/plugin.json", r#"{"name": "p", "license": "MIT", "skills": ["./"]}"#)
        .file("p/SKILL.md", skill("p"));
    let found = find_all(&tree);
    assert_eq!(summary(&found), [row("p", "p", Shape::Skill, 2)]);
    assert!(found.skills[0].manifest.members.contains_key("license"));
}

#[test]
fn a_monorepo_with_a_marketplace_is_taken_as_it_says() {
    let tree = MemoryTree::new()
        .file(
            MARKET,
            r#"{"name": "m", "owner": {"name": "o"}, "plugins": [
                {"name": "one", "source": "./plugins/one", "category": "dev", "version": "1.0.0"},
                {"name": "two", "source": "./plugins/two", "strict": false, "description": "Second.", "commands": "./commands/"},
                {"name": "gone", "source": "./plugins/gone"},
                {"name": "far", "source": {"source": "github", "repo": "o/r"}}]}"#,
        )
        .file("plugins/one/.claude-plugin/plugin.json", r#"{"name": "one", "description": "First."}"#)
        .file("plugins/one/skills/s/SKILL.md", skill("s"))
        .file("plugins/two/commands/c.md", "x")
        .file("plugins/three/.claude-plugin/plugin.json", r#"{"name": "three", "description": "T."}"#)
        .file("plugins/three/agents/a.md", "x")
        .file("extra/SKILL.md", skill("extra"));
    let found = find_all(&tree);
    assert_eq!(
        summary(&found),
        [
            row("extra", "extra", Shape::Skill, 1),
            row("one", "plugins/one", Shape::Plugin, 2),
            row("three", "plugins/three", Shape::Plugin, 2),
            row("two", "plugins/two", Shape::Plugin, 1),
        ]
    );
    assert_eq!(rules(&found.findings), ["marketplace-entry", "marketplace-entry"]);
    let (one, two) = (&found.skills[1], &found.skills[3]);
    assert_eq!((one.category.as_deref(), one.description.as_str()), (Some("dev"), "First."));
    assert_eq!(one.declared.plugin_json.as_ref().unwrap().text, "1.0.0");
    assert_eq!(two.description, "Second.");
}

#[test]
fn entries_that_share_the_root_take_what_they_list() {
    let tree = MemoryTree::new()
        .file(
            MARKET,
            r#"{"plugins": [
                {"name": "documents", "description": "D.", "source": "./", "strict": false, "skills": ["./skills/pdf", "./office/word"]},
                {"name": "examples", "description": "E.", "source": "./", "strict": false, "skills": ["./skills/art"]}]}"#,
        )
        .file("skills/pdf/SKILL.md", skill("pdf"))
        .file("skills/pdf/scripts/x.py", "x")
        .file("office/word/SKILL.md", skill("word"))
        .file("skills/art/SKILL.md", skill("art"))
        .file("skills/loose/SKILL.md", skill("loose"))
        .file("README.md", "r")
        .file("src/secret.rs", "s");
    let found = find_all(&tree);
    assert_eq!(
        summary(&found),
        [
            row("documents", "", Shape::Plugin, 4),
            row("examples", "", Shape::Plugin, 2),
            row("loose", "skills/loose", Shape::Skill, 1),
        ]
    );
    assert_eq!(found.skills[0].moves, [("office/word".to_owned(), "skills/word".to_owned())]);
}

#[test]
fn a_root_plugin_does_not_swallow_those_listed_beside_it() {
    let tree = MemoryTree::new()
        .file(
            MARKET,
            r#"{"plugins": [{"name": "core", "source": "./"}, {"name": "pro", "source": "./plugins/pro"}]}"#,
        )
        .file(PLUGIN, r#"{"name": "core", "description": "C."}"#)
        .file("commands/c.md", "x")
        .file("plugins/pro/.claude-plugin/plugin.json", r#"{"name": "pro", "description": "P."}"#)
        .file("plugins/pro/commands/paid.md", "x");
    let found = find_all(&tree);
    assert_eq!(
        summary(&found),
        [row("core", "", Shape::Plugin, 2), row("pro", "plugins/pro", Shape::Plugin, 2)]
    );
}

#[test]
fn a_broken_plugin_json_stops_its_plugin_and_names_the_line() {
    let tree = MemoryTree::new()
        .file("a/.claude-plugin/plugin.json", "{\n\"name\": }")
        .file("a/commands/x.md", "x")
        .file("b/SKILL.md", skill("b"));
    let found = find_all(&tree);
    assert!(found.skills[0].is_refused() && !found.skills[1].is_refused());
    let error = &found.skills[0].findings[0];
    assert_eq!((error.file.as_str(), error.line), ("a/.claude-plugin/plugin.json", Some(2)));
}

#[test]
fn foreign_code_is_passed_over_and_copies_are_released_once() {
    let tree = MemoryTree::new()
        .file("node_modules/x/SKILL.md", skill("x"))
        .file("tests/fixtures/y/SKILL.md", skill("y"))
        .file(".claude/skills/z/SKILL.md", skill("z"))
        .file("skills/z/SKILL.md", skill("z"));
    let found = find_all(&tree);
    assert_eq!(summary(&found), [row("z", "skills/z", Shape::Skill, 1)]);
    assert_eq!(rules(&found.findings), ["foreign-folder"]);
    assert_eq!(rules(&found.skills[0].findings), ["copy"]);
}

#[test]
fn equal_names_are_told_apart_by_the_folder_above() {
    let tree = MemoryTree::new()
        .file("skills/x/SKILL.md", skill("x"))
        .file("web/skills/x/SKILL.md", skill("x") + "web")
        .file("data/x/SKILL.md", skill("x") + "data");
    let found = find_all(&tree);
    let names: Vec<_> =
        found.skills.iter().map(|skill| (skill.name.as_str(), skill.folder.as_str())).collect();
    assert_eq!(names, [("data-x", "data/x"), ("web-x", "web/skills/x"), ("x", "skills/x")]);
    assert_eq!(rules(&found.skills[0].findings), ["name-taken"]);
}

#[test]
fn a_skill_md_may_be_a_link_inside_the_source() {
    let tree = MemoryTree::new()
        .file("shared.md", skill("a"))
        .symlink("skills/a/SKILL.md", "../../shared.md")
        .symlink("skills/b/SKILL.md", "../../../outside.md");
    let found = find_all(&tree);
    assert_eq!(found.skills[0].description, "Does a.");
    assert!(found.skills[1].is_refused());
}

#[test]
fn an_empty_skill_is_refused_and_an_empty_source_says_what_to_do() {
    let found = find_all(&MemoryTree::new().file("skills/a/SKILL.md", ""));
    assert_eq!(rules(&found.skills[0].findings), ["skill-empty"]);
    let found = find_all(&MemoryTree::new().file("README.md", "x"));
    assert_eq!(rules(&found.findings), ["source-empty"]);
}

proptest! {
    #[test]
    fn names_are_valid_and_unique_and_nothing_belongs_to_two_skills(
        paths in proptest::collection::vec("(skills/|a/|b/|x y/|\u{6280}/|\\.claude/){0,3}(SKILL\\.md|skill\\.md|\\.claude-plugin/plugin\\.json|f\\.txt)", 0..14),
        body in "(---\nname: [a-zA-Z :]{0,12}\n---\n)?[a-z \n]{0,10}",
    ) {
        let mut tree = MemoryTree::new();
        for path in &paths {
            let content = if path.ends_with("json") { r#"{"version": 1}"#.to_owned() } else { body.clone() };
            tree = tree.file(path.as_str(), content);
        }
        let found = discover(&tree, "source");
        let mut names = std::collections::HashSet::new();
        let mut owners = std::collections::HashSet::new();
        for skill in &found.skills {
            prop_assert!(is_client_name(&skill.name), "{}", skill.name);
            prop_assert!(names.insert(skill.name.clone()), "{} twice", skill.name);
            for &at in &skill.entries {
                prop_assert!(owners.insert(at), "{:?} twice", tree.entries()[at]);
            }
        }
    }
}
