//! Prints what the data plane costs per request, in nanoseconds of one core:
//! `cargo run --release -p skaas-git --example data_plane_cost`.
//! Medians of many runs; each line stands beside what it is to be compared with.
#![expect(clippy::print_stdout, reason = "a table on the terminal is what this program is for")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use skaas_git::bundle::{Bundle, BundleFile};
use skaas_git::object::{CommitSpec, Kind, ObjectId, Signature, hash_object};
use skaas_git::pack::{Pack, PackItem, PackPrefix, clone_pack, write_pack};
use skaas_git::sideband::SideBand;
use skaas_git::splice::{Base, Document, Fragment};

/// Median nanoseconds of `work`, over batches that each take long enough to be timed.
fn nanoseconds<T>(mut work: impl FnMut() -> T) -> f64 {
    let once = Instant::now();
    black_box(work());
    let batch = (200_000 / once.elapsed().as_nanos().max(1)).clamp(1, 1000);
    let batch = u32::try_from(batch).expect("at most a thousand");
    let mut runs: Vec<f64> = (0..51)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..batch {
                black_box(work());
            }
            start.elapsed().as_secs_f64() * 1e9 / f64::from(batch)
        })
        .collect();
    runs.sort_by(f64::total_cmp);
    runs[runs.len() / 2]
}

fn line(what: &str, value: f64) {
    println!("{what:<66} {value:>12.0} ns");
}

/// Text that deflates about as prose does.
fn prose(len: usize, seed: usize) -> Vec<u8> {
    let words = ["skill", "agent", "lint", "review", "the", "of", "server", "token", "publish", "a"];
    let mut text = Vec::with_capacity(len + 16);
    let mut state = seed as u64 | 1;
    while text.len() < len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word = words[(state >> 33) as usize % words.len()];
        text.extend_from_slice(word.as_bytes());
        text.extend_from_slice(format!("{} ", (state >> 40) % 97).as_bytes());
    }
    text.truncate(len);
    text
}

fn catalogue(len: usize) -> Vec<Option<Arc<Fragment>>> {
    (0..len)
        .map(|n| {
            let text = String::from_utf8(prose(120, n * 31)).expect("prose is ASCII");
            let body = format!(
                "{{\n      \"name\": \"skill-{n}\",\n      \"source\": {{ \"source\": \"url\", \"url\": \
                 \"https://skaas.example/me/skills/skill-{n}.git\" }},\n      \"version\": \
                 \"0.0.0-stub.{n:08x}\",\n      \"description\": \"{text} [NOT PURCHASED - run /buy to \
                 unlock]\"\n    }}"
            );
            Some(Arc::new(Fragment::new(",\n    ", &body)))
        })
        .collect()
}

fn unlocked(n: usize) -> Arc<Fragment> {
    let text = String::from_utf8(prose(120, n * 31)).expect("prose is ASCII");
    let body = format!(
        "{{\n      \"name\": \"skill-{n}\",\n      \"source\": {{ \"source\": \"url\", \"url\": \
         \"https://skaas.example/me/skills/skill-{n}.git\" }},\n      \"version\": \"1.0.0\",\n      \
         \"description\": \"{text}\"\n    }}"
    );
    Arc::new(Fragment::new(",\n    ", &body))
}

fn commit(tree: ObjectId) -> Vec<u8> {
    let author = Signature { name: "Ann".into(), email: "ann@example.com".into() };
    CommitSpec { tree, parents: &[], author: &author, date: 1_700_000_000, message: "release" }.encode().data
}

fn bundles() {
    for (name, size) in [("200 KB", 10_000), ("10 MB", 500_000)] {
        let contents: Vec<Vec<u8>> = (0..20).map(|n| prose(size, n)).collect();
        let paths: Vec<String> = (0..20).map(|n| format!("references/{n}.md")).collect();
        let files = paths.iter().zip(&contents).map(|(path, content)| BundleFile {
            path,
            executable: false,
            content,
        });
        let bundle = Bundle::build(files).expect("the paths are sound");
        let commit = commit(bundle.tree());
        let fast = nanoseconds(|| clone_pack(&bundle, &commit).framed(SideBand::Large));
        let items = [PackItem::Bundle(&bundle), PackItem::Raw { kind: Kind::Commit, data: &commit }];
        let slow = nanoseconds(|| write_pack(&items).framed(SideBand::Large));
        line(&format!("{name} skill: depth-1 pack, framed"), fast);
        line(&format!("{name} skill: the same without a kept prefix"), slow);
    }
}

fn marketplace(slots: usize) {
    let base = Arc::new(Base::new("{\n  \"plugins\": [\n    ", catalogue(slots), "\n  ]\n}\n"));
    base.warm();
    let twenty: BTreeMap<_, _> =
        (0..20).map(|n| (n * slots / 20 + 3, Some(unlocked(n * slots / 20 + 3)))).collect();
    let old = Document::new(Arc::clone(&base), &twenty);
    let mut more = twenty.clone();
    more.insert(slots / 2 + 1, Some(unlocked(slots / 2 + 1)));
    let new = Document::new(Arc::clone(&base), &more);
    let text = new.text();

    let hash = nanoseconds(|| hash_object(Kind::Blob, &text));
    let first = nanoseconds(|| Document::new(Arc::clone(&base), &more));
    line(&format!("{slots} skills: one SHA-1 of {} bytes", text.len()), hash);
    line(&format!("{slots} skills: first look of a buyer of 21 ({:.2}x)", first / hash), first);
    let kept = nanoseconds(|| Document::with_id(Arc::clone(&base), &more, new.id()));
    line(&format!("{slots} skills: the document again from its step"), kept);
    let entry = new.entry();
    line(
        &format!("{slots} skills: its entry, {} bytes in {} pieces", entry.len(), entry.pieces().len()),
        nanoseconds(|| new.entry()),
    );
    let commit = commit(new.id());
    let items = [PackItem::Entry(entry), PackItem::Raw { kind: Kind::Commit, data: &commit }];
    let whole = nanoseconds(|| write_pack(&items).framed(SideBand::Large));
    line(&format!("{slots} skills: pack of it, framed"), whole);
    let prefix = PackPrefix::of_items(&items[..1], 1);
    let shared = nanoseconds(|| Pack::from_prefix(&prefix, &items[1..]).framed(SideBand::Large));
    line(&format!("{slots} skills: the same by a kept prefix"), shared);
    let delta = new.delta_from(&old).expect("one purchase is worth a delta");
    line(
        &format!("{slots} skills: delta of one purchase, {} bytes", delta.len()),
        nanoseconds(|| new.delta_from(&old)),
    );
    let none = Document::new(Arc::clone(&base), &BTreeMap::new());
    let one = Document::new(Arc::clone(&base), &[(slots / 2, Some(unlocked(slots / 2)))].into());
    line(&format!("{slots} skills: delta of a first purchase"), nanoseconds(|| one.delta_from(&none)));
    let next = Arc::new(base.with_changes(&[(slots / 3, Some(unlocked(1)))]));
    let moved = Document::new(Arc::clone(&next), &twenty);
    line(
        &format!("{slots} skills: delta of a changed listing (two bases)"),
        nanoseconds(|| moved.delta_from(&old)),
    );
    line(
        &format!("{slots} skills: a changed listing, base and its new parts"),
        nanoseconds(|| base.with_changes(&[(slots / 3, Some(unlocked(1)))]).warm()),
    );
}

fn main() {
    bundles();
    for slots in [100, 1_000, 10_000] {
        marketplace(slots);
    }
}
