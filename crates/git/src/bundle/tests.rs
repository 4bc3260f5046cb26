use super::*;
use proptest::prelude::*;
use sha1::{Digest as _, Sha1};

fn file<'a>(path: &'a str, content: &'a [u8]) -> BundleFile<'a> {
    BundleFile { path, executable: false, content }
}

fn sample() -> Bundle {
    Bundle::build([
        file("README.md", b"# lint-pro\n"),
        file("skills/lint-pro/SKILL.md", b"---\nname: lint-pro\n---\n"),
        file("skills/lint-pro/copy.md", b"# lint-pro\n"),
        BundleFile { path: "skills/lint-pro/run.sh", executable: true, content: b"#!/bin/sh\n" },
    ])
    .unwrap()
}

#[test]
fn equal_blobs_are_one_object_and_the_root_comes_first() {
    let bundle = sample();
    // root, skills, skills/lint-pro; three distinct blobs.
    assert_eq!(bundle.objects().len(), 6);
    assert_eq!(bundle.objects()[0].id, bundle.tree());
    let depths: Vec<u32> = bundle.objects().iter().map(|object| object.depth).collect();
    assert_eq!(depths, [0, 1, 2, 1, 3, 3]);
}

#[test]
fn files_read_back() {
    let bundle = sample();
    let listed = bundle.files().unwrap();
    let paths: Vec<&str> = listed.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        paths,
        ["README.md", "skills/lint-pro/SKILL.md", "skills/lint-pro/copy.md", "skills/lint-pro/run.sh"]
    );
    assert!(listed[3].executable && !listed[0].executable);
    let script = bundle.file("skills/lint-pro/run.sh").unwrap();
    assert_eq!(script.as_deref(), Some(&b"#!/bin/sh\n"[..]));
    for absent in ["", "skills", "README.md/x", "nothing", "skills/lint-pro/"] {
        assert_eq!(bundle.file(absent).unwrap(), None, "{absent:?}");
    }
}

#[test]
fn any_changed_byte_of_the_stored_form_is_noticed() {
    let stored = sample().encode();
    for at in 0..stored.len() {
        let mut broken = stored.clone();
        broken[at] ^= 1;
        assert!(Bundle::decode(Bytes::from(broken)).is_err(), "byte {at}");
    }
    for len in 0..stored.len() {
        let cut = Bytes::copy_from_slice(&stored[..len]);
        assert!(Bundle::decode(cut).is_err(), "cut at {len}");
    }
}

/// As [`Bundle::decode`] of bytes whose checksum is right, whatever else they are.
fn decode_with_checksum(mut body: Vec<u8>) -> Result<Bundle, CorruptBundle> {
    let checksum = finish(&body);
    body.extend_from_slice(&checksum);
    Bundle::decode(Bytes::from(body))
}

fn finish(body: &[u8]) -> [u8; 20] {
    Sha1::digest(body).into()
}

#[test]
fn a_bundle_that_lies_under_a_right_checksum_is_refused_or_fails_to_verify() {
    let stored = sample().encode();
    let body = &stored[..stored.len() - 20];
    for at in 0..body.len() {
        let mut lie = body.to_vec();
        lie[at] ^= 0x10;
        if let Ok(bundle) = decode_with_checksum(lie) {
            // What the table cannot know is found by looking inside; a changed depth only makes a
            // filter choose otherwise, and slack of deflate inflates to the same bytes.
            let unnoticed = bundle.verify().is_ok();
            let same_content = bundle
                .objects()
                .iter()
                .zip(sample().objects())
                .all(|(a, b)| a.id == b.id && a.size == b.size);
            assert!(!unnoticed || same_content, "byte {at}");
        }
    }
}

#[test]
fn a_table_that_does_not_fit_its_entries_is_refused() {
    const HEAD: usize = 44;
    const ROW: usize = 41;
    let stored = sample().encode();
    let body = &stored[..stored.len() - 20];
    let lie = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut body = body.to_vec();
        change(&mut body);
        decode_with_checksum(body).unwrap_err().0
    };
    assert_eq!(lie(&|body| body[11] = 2), "its version is unknown");
    assert_eq!(lie(&|body| body[12] = 0xff), "its table is cut short");
    assert_eq!(
        lie(&|body| {
            body.push(0);
            body[HEAD - 1] += 1;
        }),
        "its table does not cover its entries"
    );
    let disagree = "an entry and its table row disagree";
    assert_eq!(lie(&|body| body[HEAD + 32] ^= 1), disagree, "a size");
    assert_eq!(lie(&|body| body[HEAD + 20] = 3), disagree, "a kind");
    assert_eq!(lie(&|body| body[HEAD + 20] = 1), "an object is neither a tree nor a blob");
    assert_eq!(lie(&|body| body[HEAD + 33] = 0xff), "an entry reaches past the end");
    let root = "its root tree is missing";
    assert_eq!(lie(&|body| body[HEAD + 24] = 1), root, "a root that is not at depth 0");
    assert_eq!(lie(&|body| body[16] ^= 1), root, "an id that is not there");
    let blob = sample().objects().last().unwrap().id;
    assert_eq!(lie(&|body| body[16..36].copy_from_slice(blob.as_slice())), root, "a blob");
    let twice = "an object stands in it twice";
    assert_eq!(
        lie(&|body| {
            let first = body[HEAD..HEAD + 20].to_vec();
            body[HEAD + ROW..HEAD + ROW + 20].copy_from_slice(&first);
        }),
        twice
    );
}

#[test]
fn a_bundle_without_an_object_that_a_tree_names_does_not_verify() {
    let whole = sample();
    let mut objects = whole.objects().to_vec();
    let last = objects.pop().unwrap();
    let entries = whole.entries().slice(..last.range.start);
    let cut = Bundle::assemble(whole.tree(), objects, entries);
    let missing = CorruptBundle("a tree names an object that is missing");
    assert_eq!(cut.verify(), Err(missing));
    assert_eq!(cut.files(), Err(CorruptBundle("a blob is missing")));
}

#[test]
fn an_object_that_stands_twice_has_the_least_depth() {
    let bundle = Bundle::build([file("a/b/c", b"same"), file("z", b"same")]).unwrap();
    let blob = bundle.object(&hash_object(Kind::Blob, b"same")).unwrap();
    assert_eq!(blob.depth, 1);
}

#[test]
fn a_corrupt_entry_is_an_error_and_not_wrong_content() {
    let stored = sample().encode();
    let mut body = stored[..stored.len() - 20].to_vec();
    let last = body.len() - 1;
    body[last] ^= 0xff;
    let bundle = decode_with_checksum(body).unwrap();
    assert!(bundle.verify().is_err());
    let last = bundle.objects().last().unwrap().id;
    assert!(bundle.read(&last).is_err());
}

#[test]
fn prefixes_are_kept() {
    let bundle = sample();
    let weight = bundle.weight();
    let one = bundle.prefix(1);
    let again = bundle.prefix(1);
    assert!(one.is_same(&again));
    assert!(!one.is_same(&bundle.prefix(2)));
    assert!(!bundle.prefix(9).is_same(&bundle.prefix(9)));
    assert!(weight >= bundle.entries().len() as u64);
}

fn file_sets() -> impl Strategy<Value = Vec<(String, bool, Vec<u8>)>> {
    let content = prop_oneof![
        "[a-z\n ]{0,400}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..400),
        (any::<u8>(), 0usize..50_000).prop_map(|(byte, len)| vec![byte; len]),
        Just(b"same".to_vec()),
    ];
    prop::collection::btree_map("[a-c]{1,2}(/[a-c]{1,2}){0,3}", (any::<bool>(), content), 0..10).prop_map(
        |files| {
            let paths: Vec<String> = files.keys().cloned().collect();
            files
                .into_iter()
                .filter(|(path, _)| {
                    let folder = format!("{path}/");
                    !paths.iter().any(|other| other.starts_with(&folder))
                })
                .map(|(path, (executable, content))| (path, executable, content))
                .collect()
        },
    )
}

fn build(files: &[(String, bool, Vec<u8>)]) -> Bundle {
    Bundle::build(files.iter().map(|(path, executable, content)| BundleFile {
        path,
        executable: *executable,
        content,
    }))
    .unwrap()
}

proptest! {
    #[test]
    fn a_bundle_holds_its_files_in_any_order_and_survives_storage(files in file_sets()) {
        let bundle = build(&files);
        bundle.verify().unwrap();
        let mut reversed = files.clone();
        reversed.reverse();
        prop_assert_eq!(&build(&reversed), &bundle);
        let decoded = Bundle::decode(Bytes::from(bundle.encode())).unwrap();
        prop_assert_eq!(&decoded, &bundle);
        prop_assert_eq!(decoded.files().unwrap().len(), files.len());
        for (path, executable, content) in &files {
            prop_assert_eq!(decoded.file(path).unwrap(), Some(content.clone()));
            let listed = decoded.files().unwrap();
            let listed = listed.iter().find(|file| file.path == *path).unwrap();
            prop_assert_eq!((listed.executable, listed.size), (*executable, content.len() as u64));
        }
        for object in bundle.objects() {
            prop_assert!(bundle.contains(&object.id));
        }
        prop_assert!(!bundle.contains(&hash_object(Kind::Blob, b"not in any sample")));
    }

    #[test]
    fn decoding_foreign_bytes_never_panics(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_with_checksum(body.clone());
        let mut begun = b"skaasbdl\0\0\0\x01".to_vec();
        begun.extend(body);
        let _ = decode_with_checksum(begun);
    }
}
