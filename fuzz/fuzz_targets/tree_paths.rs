//! Paths, modes and links of a source, one per line: `<mode letter><path>` or `l<path>\0<target>`.
//! Whatever comes in, a release has only safe, unique, sorted paths, and no link or submodule in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skaas_domain::discovery::discover;
use skaas_domain::layout::{LaidContent, lay_out};
use skaas_domain::safe_path::{Limits, check_release_paths};
use skaas_domain::source_tree::{EntryKind, MemoryTree, SourceTree};
use skaas_domain::version::Version;

fuzz_target!(|data: &[u8]| {
    let mut tree = MemoryTree::new().file("s/SKILL.md", "---\nname: s\ndescription: d\n---\n");
    for line in data.split(|&byte| byte == b'\n').take(200) {
        let Some((&letter, rest)) = line.split_first() else { continue };
        let (path, content) = match rest.iter().position(|&byte| byte == 0) {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => (rest, &b"content"[..]),
        };
        let kind = match letter {
            b'l' => EntryKind::Symlink,
            b'x' => EntryKind::Executable,
            b'm' => EntryKind::Submodule,
            _ => EntryKind::Regular,
        };
        tree.insert([b"s/", path].concat(), kind, content.to_vec());
    }
    for skill in &discover(&tree, "source").skills {
        let Ok(laid) = lay_out(skill, &tree, &Version::first(), "Ann") else { continue };
        assert!(laid.files.is_sorted_by(|a, b| a.path.as_bytes() < b.path.as_bytes()));
        let paths = laid.files.iter().map(|file| (file.path.as_bytes(), 1));
        assert_eq!(check_release_paths(paths, &Limits::default()), Ok(()));
        for file in &laid.files {
            if let LaidContent::Source(at) = file.content {
                assert!(tree.entries()[at].kind.is_file());
            }
        }
    }
});
