//! marketplace.json of a source: whatever it says, no skill takes a file twice or has a bad name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skaas_domain::client_name::is_client_name;
use skaas_domain::discovery::discover;
use skaas_domain::source_tree::MemoryTree;

fuzz_target!(|data: &[u8]| {
    let tree = MemoryTree::new()
        .file(".claude-plugin/marketplace.json", data)
        .file("SKILL.md", "---\nname: root\ndescription: d\n---\n")
        .file("plugins/a/.claude-plugin/plugin.json", r#"{"name": "a"}"#)
        .file("plugins/a/skills/x/SKILL.md", "# X")
        .file("plugins/b/commands/c.md", "c")
        .file("skills/y/SKILL.md", "# Y");
    let found = discover(&tree, "source");
    let mut names: Vec<&str> = found.skills.iter().map(|skill| skill.name.as_str()).collect();
    assert!(names.iter().all(|name| is_client_name(name)));
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    for skill in &found.skills {
        assert!(skill.entries.is_sorted_by(|a, b| a < b));
    }
});
