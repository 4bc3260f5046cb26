//! What releases look like, and what never becomes one.

use super::*;
use crate::discovery::discover;
use crate::manifest::frontmatter;
use crate::source_tree::{EntryKind, MemoryTree};
use serde_json::Value;

fn version() -> Version {
    Version::new(1, 2, 3)
}

fn lay(tree: &MemoryTree) -> Result<LaidOut, Refused> {
    let found = discover(tree, "my-source");
    assert_eq!(found.skills.len(), 1, "{:?}", found.findings);
    lay_out(&found.skills[0], tree, &version(), "Ann")
}

fn paths(laid: &LaidOut) -> Vec<&str> {
    laid.files.iter().map(|file| file.path.as_str()).collect()
}

fn bytes(tree: &MemoryTree, laid: &LaidOut, path: &str) -> Vec<u8> {
    let file = laid.files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("no {path}"));
    match &file.content {
        LaidContent::Made(bytes) => bytes.clone(),
        LaidContent::Source(at) => tree.read(*at).unwrap(),
    }
}

fn text(tree: &MemoryTree, laid: &LaidOut, path: &str) -> String {
    String::from_utf8(bytes(tree, laid, path)).unwrap()
}

fn json_of(tree: &MemoryTree, laid: &LaidOut, path: &str) -> Value {
    serde_json::from_str(&text(tree, laid, path)).unwrap()
}

fn rules(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.rule).collect()
}

fn skill() -> MemoryTree {
    MemoryTree::new().file("skills/lint/SKILL.md", "---\nname: lint\ndescription: Lints.\n---\n# Lint\n")
}

#[test]
fn a_skill_is_laid_out_for_every_client() {
    let tree = skill()
        .executable("skills/lint/scripts/run.sh", "#!/bin/sh\n")
        .file("skills/lint/references/a.md", "a")
        .file("skills/lint/.gitignore", "x")
        .file("skills/lint/.DS_Store", "x")
        .file("README.md", "not the skill's");
    let laid = lay(&tree).unwrap();
    assert_eq!(
        paths(&laid),
        [
            ".claude-plugin/plugin.json",
            "README.md",
            "gemini-extension.json",
            "skills/lint/.gitignore",
            "skills/lint/SKILL.md",
            "skills/lint/references/a.md",
            "skills/lint/scripts/run.sh",
        ]
    );
    assert!(laid.files[6].executable && !laid.files[5].executable);
    let plugin = json_of(&tree, &laid, ".claude-plugin/plugin.json");
    assert_eq!(
        plugin.to_string(),
        r#"{"name":"lint","version":"1.2.3","description":"Lints.","author":{"name":"Ann"}}"#
    );
    assert_eq!(json_of(&tree, &laid, "gemini-extension.json")["version"], "1.2.3");
    assert_eq!(text(&tree, &laid, "README.md"), "# lint\n\nLints.\n");
    assert_eq!(
        text(&tree, &laid, "skills/lint/SKILL.md"),
        "---\nname: \"lint\"\ndescription: \"Lints.\"\n---\n# Lint\n"
    );
    assert_eq!(laid.features, ["1 script", "1 reference document"]);
    assert_eq!(rules(&laid.findings), Vec::<&str>::new());
}

#[test]
fn a_root_skill_moves_below_skills_with_all_it_has() {
    let tree = MemoryTree::new()
        .file("SKILL.md", "---\nname: lint\ndescription: Lints.\nfeatures: [One, Two]\n---\n")
        .file("README.md", "read me")
        .file("LICENSE", "MIT")
        .file(
            "gemini-extension.json",
            r#"{"name": "old", "contextFileName": "GEMINI.md", "excludeTools": ["x"]}"#,
        )
        .file("GEMINI.md", "context");
    let laid = lay(&tree).unwrap();
    assert_eq!(
        paths(&laid),
        [
            ".claude-plugin/plugin.json",
            "README.md",
            "gemini-extension.json",
            "skills/lint/GEMINI.md",
            "skills/lint/LICENSE",
            "skills/lint/README.md",
            "skills/lint/SKILL.md",
        ]
    );
    assert_eq!(
        json_of(&tree, &laid, "gemini-extension.json").to_string(),
        r#"{"name":"lint","version":"1.2.3","contextFileName":"skills/lint/GEMINI.md","excludeTools":["x"]}"#
    );
    assert_eq!(laid.features, ["One", "Two"]);
}

#[test]
fn a_plugin_keeps_its_tree_and_its_keys() {
    let tree = MemoryTree::new()
        .file(
            ".claude-plugin/plugin.json",
            r#"{"name": "kit", "description": "K.", "author": "Bo", "license": "MIT"}"#,
        )
        .file(
            ".claude-plugin/marketplace.json",
            r#"{"name": "m", "plugins": [{"name": "kit", "source": "./"}]}"#,
        )
        .file("commands/go.md", "---\ndescription: go\n---\n")
        .file("agents/helper.md", "x")
        .file("hooks/hooks.json", "{}")
        .file(".mcp.json", "{}")
        .file("skills/One Two/SKILL.md", "---\r\nname: Other\r\ndescription: D\r\n---\r\n")
        .file("skills/One Two/x/SKILL.md", "nested, left alone")
        .file("readme.md", "r");
    let laid = lay(&tree).unwrap();
    assert_eq!(
        paths(&laid),
        [
            ".claude-plugin/plugin.json",
            ".mcp.json",
            "README.md",
            "agents/helper.md",
            "commands/go.md",
            "gemini-extension.json",
            "hooks/hooks.json",
            "skills/one-two/SKILL.md",
            "skills/one-two/x/SKILL.md",
        ]
    );
    let plugin = json_of(&tree, &laid, ".claude-plugin/plugin.json");
    assert_eq!((plugin["license"].as_str(), plugin["author"]["name"].as_str()), (Some("MIT"), Some("Bo")));
    assert!(text(&tree, &laid, "skills/one-two/SKILL.md").starts_with("---\nname: \"one-two\"\n"));
    assert_eq!(text(&tree, &laid, "skills/one-two/x/SKILL.md"), "nested, left alone");
    assert_eq!(laid.features, ["Commands: /go", "Agents: helper", "Skills: one-two", "Hooks", "MCP servers"]);
}

#[test]
fn a_root_skill_md_of_a_plugin_with_commands_is_found_by_every_client() {
    let tree = MemoryTree::new()
        .file(".claude-plugin/plugin.json", r#"{"name": "kit", "description": "K."}"#)
        .file("SKILL.md", "---\nname: kit\ndescription: D\n---\n")
        .file("scripts/a.sh", "x")
        .file("commands/c.md", "x");
    let laid = lay(&tree).unwrap();
    for path in ["skills/kit/SKILL.md", "skills/kit/scripts/a.sh", "scripts/a.sh", "commands/c.md"] {
        assert!(paths(&laid).contains(&path), "{path}");
    }
    assert!(!paths(&laid).contains(&"SKILL.md"));
}

#[test]
fn a_plugin_of_commands_alone_is_fine() {
    let tree = MemoryTree::new()
        .file("p/.claude-plugin/plugin.json", r#"{"name": "p", "description": "P."}"#)
        .file("p/commands/c.md", "x");
    assert!(lay(&tree).is_ok());
}

#[test]
fn links_inside_the_source_become_copies() {
    let tree = skill()
        .file("skills/lint/CLAUDE.md", "c")
        .executable("shared/tools/t.sh", "t")
        .symlink("shared/tools/again.sh", "t.sh")
        .symlink("skills/lint/AGENTS.md", "CLAUDE.md")
        .symlink("skills/lint/tool.sh", "../../shared/tools/t.sh")
        .symlink("skills/lint/tools", "../../shared/tools")
        .symlink("skills/lint/dangling", "nothing")
        .symlink("skills/lint/self", ".")
        .symlink("skills/lint/node_modules/.bin/x", "../x/cli.js")
        .file("skills/lint/node_modules/x/cli.js", "js");
    let laid = lay(&tree).unwrap();
    assert_eq!(text(&tree, &laid, "skills/lint/AGENTS.md"), "c");
    assert_eq!(text(&tree, &laid, "skills/lint/tools/again.sh"), "t");
    assert_eq!(text(&tree, &laid, "skills/lint/node_modules/.bin/x"), "js");
    let tool = laid.files.iter().find(|file| file.path == "skills/lint/tool.sh").unwrap();
    assert!(tool.executable);
    assert_eq!(rules(&laid.findings), ["link", "link"]);
    for file in &laid.files {
        if let LaidContent::Source(at) = file.content {
            assert!(tree.entries()[at].kind.is_file(), "{}", file.path);
        }
    }
}

#[test]
fn a_link_never_brings_in_another_skill() {
    let tree = skill()
        .file("skills/paid/SKILL.md", "---\nname: paid\ndescription: Paid.\n---\n")
        .file("skills/paid/secret.md", "s")
        .symlink("skills/lint/all", "..")
        .symlink("skills/lint/other", "../paid");
    let found = discover(&tree, "s");
    let laid = lay_out(&found.skills[0], &tree, &version(), "Ann").unwrap();
    assert!(paths(&laid).iter().all(|path| !path.contains("secret")));
    assert_eq!(rules(&laid.findings), ["link", "link"]);
}

#[test]
fn link_bombs_end_at_the_limits() {
    let mut tree = skill().file("skills/lint/a0/f", "x");
    for level in 1..12 {
        for copy in 0..10 {
            tree = tree.symlink(format!("skills/lint/a{level}/l{copy}"), format!("../a{}", level - 1));
        }
    }
    let refused = lay(&tree).unwrap_err();
    assert!(rules(&refused.findings).contains(&"release-files"), "{refused}");
}

#[test]
fn what_is_unsafe_is_refused_by_its_path() {
    type Make = fn(MemoryTree) -> MemoryTree;
    let cases: &[(Make, &str, &str)] = &[
        (|t| t.symlink("skills/lint/x", "../../../etc/passwd"), "skills/lint/x", "link-outside"),
        (|t| t.symlink("skills/lint/x", "/etc/passwd"), "skills/lint/x", "link-outside"),
        (|t| t.submodule("skills/lint/sub"), "skills/lint/sub", "submodule"),
        (|t| t.file("skills/lint/.GIT/config", ""), "skills/lint/.GIT/config", "path-dot-git"),
        (|t| t.file("skills/lint/git~1", ""), "skills/lint/git~1", "path-dot-git"),
        (|t| t.file("skills/lint/.g\u{200c}it/x", ""), "skills/lint/.g\\u{200c}it/x", "path-dot-git"),
        (|t| t.file("skills/lint/../x", ""), "skills/lint/../x", "path-dots"),
        (|t| t.file("skills/lint/a\\b", ""), "skills/lint/a\\\\b", "path-character"),
        (|t| t.file("skills/lint/aux.md", ""), "skills/lint/aux.md", "path-device"),
        (|t| t.file("skills/lint/\u{202e}x", ""), "skills/lint/\\u{202e}x", "path-invisible"),
        (|t| t.file(b"skills/lint/\xff".to_vec(), ""), "skills/lint/\\xff", "path-utf8"),
        (|t| t.file("skills/lint/B", "").file("skills/lint/b", ""), "skills/lint/b", "path-twin"),
        (
            |t| t.file("skills/lint/Scripts/a", "").file("skills/lint/scripts/b", ""),
            "skills/lint/scripts/b",
            "path-twin",
        ),
        (|t| t.file("skills/lint/.Gitmodules", ""), "skills/lint/.Gitmodules", "path-git-instructions"),
        (|t| t.file("skills/lint/x/".to_owned() + &"d/".repeat(40) + "f", ""), "", "path-depth"),
    ];
    for (make, path, rule) in cases {
        let refused = lay(&make(skill())).unwrap_err();
        let error = refused.findings.iter().find(|finding| finding.is_error()).unwrap();
        assert_eq!(error.rule, *rule);
        assert!(path.is_empty() || error.file == *path, "{} is not {path}", error.file);
    }
}

#[test]
fn instructions_to_git_and_pointers_are_told() {
    let pointer =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345\n", "0".repeat(64));
    let tree =
        skill().file("skills/lint/.gitattributes", "* filter=lfs").file("skills/lint/model.bin", pointer);
    let laid = lay(&tree).unwrap();
    assert!(!paths(&laid).contains(&"skills/lint/.gitattributes"));
    assert_eq!(rules(&laid.findings), ["git-file", "lfs-pointer"]);
}

#[test]
fn too_large_is_refused_without_reading() {
    struct Huge(MemoryTree, Vec<crate::source_tree::SourceEntry>);
    impl SourceTree for Huge {
        fn entries(&self) -> &[crate::source_tree::SourceEntry] {
            &self.1
        }
        fn read(&self, index: usize) -> Result<Vec<u8>, crate::source_tree::ReadError> {
            assert!(self.1[index].size < 1 << 20, "a huge file was read");
            self.0.read(index)
        }
    }
    let tree = skill().file("skills/lint/big", "");
    let mut entries = tree.entries().to_vec();
    entries[1].size = 17 << 20;
    let huge = Huge(tree, entries);
    let found = discover(&huge, "s");
    let refused = lay_out(&found.skills[0], &huge, &version(), "Ann").unwrap_err();
    assert_eq!(rules(&refused.findings), ["file-size"]);
}

#[test]
fn laying_out_a_release_again_changes_nothing() {
    let tree = skill().executable("skills/lint/scripts/run.sh", "x").file("skills/lint/README.md", "r");
    let once = lay(&tree).unwrap();
    let mut again = MemoryTree::new();
    for file in &once.files {
        let kind = if file.executable { EntryKind::Executable } else { EntryKind::Regular };
        again = again.with(file.path.as_str(), kind, bytes(&tree, &once, &file.path));
    }
    let twice = lay(&again).unwrap();
    assert_eq!(paths(&once), paths(&twice));
    for path in paths(&once) {
        assert_eq!(bytes(&tree, &once, path), bytes(&again, &twice, path), "{path}");
    }
    assert_eq!(rules(&twice.findings), Vec::<&str>::new());
}

#[test]
fn a_skills_own_description_survives_any_yaml() {
    let tree = MemoryTree::new()
        .file("a/SKILL.md", "---\ndescription: Use when: <tag> & \"x\": y\nversion: 1.10\n---\nb\n");
    let laid = lay(&tree).unwrap();
    let page = frontmatter::read(&bytes(&tree, &laid, "skills/a/SKILL.md"));
    assert_eq!(page.fields[1].value.flat_text(), "Use when: <tag> & \"x\": y");
    assert_eq!(page.fields[2].value.flat_text(), "1.10");
    assert!(page.remarks.is_empty());
}
