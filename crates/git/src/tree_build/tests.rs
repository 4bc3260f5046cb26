use super::*;
use proptest::prelude::*;

fn blob(text: &str) -> ObjectId {
    hash_object(Kind::Blob, text.as_bytes())
}

fn file(path: &str) -> Leaf<'_> {
    Leaf { path, mode: LeafMode::Regular, id: blob(path) }
}

#[test]
fn no_leaves_make_the_empty_tree() {
    let set = build_trees([]).unwrap();
    assert_eq!(set.root.to_string(), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
    assert_eq!(set.trees.len(), 1);
}

#[test]
fn a_folder_sorts_as_if_its_name_ended_in_a_slash() {
    let set = build_trees([file("a/b"), file("a-b"), file("a.b")]).unwrap();
    let names: Vec<String> =
        parse_tree(&set.trees[0].data).unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["a-b", "a.b", "a"]);
}

#[test]
fn equal_folders_are_one_tree_with_the_least_depth() {
    let same = blob("same");
    let leaf = |path| Leaf { path, mode: LeafMode::Regular, id: same };
    let set = build_trees([leaf("deep/er/x/f"), leaf("x/f")]).unwrap();
    // root, deep, deep/er, and x, which stands twice.
    assert_eq!(set.trees.len(), 4);
    let x = build_trees([leaf("f")]).unwrap().root;
    let found = set.trees.iter().find(|tree| tree.id == x).unwrap();
    assert_eq!(found.depth, 1);
}

#[test]
fn paths_that_git_refuses_are_refused() {
    for path in ["", "/a", "a/", "a//b", "./a", "a/..", ".git/config", "x/.GiT", "git~1", "a\0b"] {
        let refused = build_trees([file(path)]).unwrap_err();
        assert_eq!(refused, TreeError::BadPath(path.to_owned()), "{path:?}");
    }
}

#[test]
fn a_path_stands_for_one_thing() {
    for paths in [["a", "a"], ["a", "a/b"], ["a/b", "a"]] {
        let refused = build_trees(paths.map(file)).unwrap_err();
        assert!(matches!(refused, TreeError::Conflict(_)), "{paths:?}");
    }
}

#[test]
fn nesting_is_bounded() {
    let deepest = vec!["d"; MAX_DEPTH as usize].join("/");
    assert!(build_trees([file(&deepest)]).is_ok());
    let deeper = format!("{deepest}/d");
    assert_eq!(build_trees([file(&deeper)]).unwrap_err(), TreeError::TooDeep(deeper));
}

proptest! {
    #[test]
    fn order_of_input_does_not_matter_and_every_leaf_reads_back(
        paths in prop::collection::btree_set("[a-c]{1,2}(/[a-c]{1,2}){0,3}", 0..12),
        seed in any::<u64>(),
    ) {
        // Files named like a folder of another path are left out.
        let files: Vec<&str> = paths.iter().map(String::as_str)
            .filter(|path| !paths.iter().any(|other| other.starts_with(&format!("{path}/"))))
            .collect();
        let set = build_trees(files.iter().copied().map(file)).unwrap();
        let mut shuffled = files.clone();
        shuffled.sort_by_key(|path| blob(&format!("{seed}{path}")));
        prop_assert_eq!(&build_trees(shuffled.into_iter().map(file)).unwrap(), &set);

        let mut found = Vec::new();
        let mut todo = vec![(String::new(), set.root)];
        while let Some((prefix, id)) = todo.pop() {
            let tree = set.trees.iter().find(|tree| tree.id == id).unwrap();
            for entry in parse_tree(&tree.data).unwrap() {
                let path = format!("{prefix}{}", entry.name);
                match entry.mode {
                    TreeMode::Folder => todo.push((format!("{path}/"), entry.id)),
                    TreeMode::Leaf(_) => {
                        prop_assert_eq!(entry.id, blob(&path));
                        found.push(path);
                    }
                }
            }
        }
        found.sort();
        prop_assert_eq!(found, files);
    }

    #[test]
    fn parsing_foreign_bytes_never_panics(data in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = parse_tree(&data);
    }
}
