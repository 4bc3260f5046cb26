use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::delta::apply;
use crate::object::{Kind, hash_object};
use crate::pack_entry::read_object;

const HEAD: &str = "{\n  \"plugins\": [";
const TAIL: &str = "\n  ]\n}\n";
const SEPARATOR: &str = ",\n    ";

type Overrides = BTreeMap<usize, Option<Arc<Fragment>>>;

fn fragment(body: &str) -> Arc<Fragment> {
    Arc::new(Fragment::new(SEPARATOR, body))
}

/// What the document is to say, the plain way.
fn naive(slots: &[Option<String>]) -> Vec<u8> {
    let present: Vec<&str> = slots.iter().flatten().map(String::as_str).collect();
    format!("{HEAD}{}{TAIL}", present.join(SEPARATOR)).into_bytes()
}

fn base_of(slots: &[Option<String>]) -> Base {
    Base::new(HEAD, slots.iter().map(|slot| slot.as_deref().map(fragment)), TAIL)
}

fn with(slots: &[Option<String>], changes: &[(usize, Option<String>)]) -> Vec<Option<String>> {
    let mut slots = slots.to_vec();
    for (slot, body) in changes {
        if slots.len() <= *slot {
            slots.resize(slot + 1, None);
        }
        slots[*slot].clone_from(body);
    }
    slots
}

fn overrides(changes: &[(usize, Option<String>)]) -> Overrides {
    let one = |(slot, body): &(usize, Option<String>)| (*slot, body.as_deref().map(fragment));
    changes.iter().map(one).collect()
}

/// Text, length, id and pack entry of a document all say the same.
fn assert_says(document: &Document, wanted: &[u8]) {
    assert_eq!(String::from_utf8_lossy(&document.text()), String::from_utf8_lossy(wanted));
    assert_eq!(document.len(), wanted.len() as u64);
    assert_eq!(document.id(), hash_object(Kind::Blob, wanted));
    let entry = read_object(&document.entry().to_vec()).expect("the entry is one zlib stream");
    assert!(entry == (Kind::Blob, wanted.to_vec()), "the entry inflates to the text");
}

fn assert_delta(old: &Document, new: &Document) {
    if let Some(delta) = new.delta_from(old) {
        let result = apply(&old.text(), &delta, new.len()).unwrap();
        assert_eq!(String::from_utf8_lossy(&result), String::from_utf8_lossy(&new.text()));
    }
}

fn bodies() -> impl Strategy<Value = Option<String>> {
    prop_oneof![1 => Just(None), 4 => "[a-z]{0,12}".prop_map(Some), 1 => Just(Some("same".into()))]
}

/// Catalogues of sizes around the edges of parts and blocks.
fn catalogues() -> impl Strategy<Value = Vec<Option<String>>> {
    let edge = prop_oneof![Just(0usize), Just(4), Just(16), Just(64), Just(256), Just(512)];
    (edge, 0usize..6).prop_flat_map(|(edge, more)| prop::collection::vec(bodies(), edge + more))
}

fn changes() -> impl Strategy<Value = Vec<(Index, bool, Option<String>)>> {
    prop::collection::vec((any::<Index>(), prop::bool::weighted(0.3), bodies()), 0..8)
}

/// Lays changes onto a catalogue: anywhere, or near the beginning where the first slot moves, and
/// a little past the end.
fn placed(slots: usize, changes: &[(Index, bool, Option<String>)]) -> Vec<(usize, Option<String>)> {
    changes
        .iter()
        .map(|(index, early, body)| {
            let span = if *early { 3 } else { slots + 3 };
            (index.index(span), body.clone())
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn documents_of_one_base_are_each_the_plain_concatenation(
        slots in catalogues(), changes in changes(), others in prop::collection::vec(changes(), 0..3),
    ) {
        let base = Arc::new(base_of(&slots));
        // What one reader made the base keep must not show in what another one gets.
        for other in others {
            let other = placed(slots.len(), &other);
            let document = Document::new(Arc::clone(&base), &overrides(&other));
            assert_says(&document, &naive(&with(&slots, &other)));
        }
        let changes = placed(slots.len(), &changes);
        assert_says(&Document::new(Arc::clone(&base), &Overrides::new()), &naive(&slots));
        let document = Document::new(base, &overrides(&changes));
        assert_says(&document, &naive(&with(&slots, &changes)));
    }

    #[test]
    fn a_changed_base_says_what_a_fresh_one_says(
        slots in catalogues(), first in changes(), second in changes(), reader in changes(),
    ) {
        let base = Arc::new(base_of(&slots));
        base.warm();
        let reader = overrides(&placed(slots.len(), &reader));
        Document::new(Arc::clone(&base), &reader).entry();
        let fragments = |changes: &[(usize, Option<String>)]| -> Vec<_> {
            changes.iter().map(|(slot, body)| (*slot, body.as_deref().map(fragment))).collect()
        };
        let first = placed(slots.len(), &first);
        let changed = with(&slots, &first);
        let second = placed(changed.len(), &second);
        let base = base.with_changes(&fragments(&first)).with_changes(&fragments(&second));
        let slots = with(&changed, &second);
        let fresh = base_of(&slots);
        prop_assert_eq!(base.slots(), fresh.slots());
        prop_assert_eq!(base.id(), fresh.id());
        let (base, fresh) = (Arc::new(base), Arc::new(fresh));
        for overrides in [&Overrides::new(), &reader] {
            let grown = Document::new(Arc::clone(&base), overrides);
            let fresh = Document::new(Arc::clone(&fresh), overrides);
            assert_says(&grown, &fresh.text());
            prop_assert_eq!(grown.entry(), fresh.entry(), "equal texts are equal bytes");
        }
        assert_says(&Document::new(base, &Overrides::new()), &naive(&slots));
    }

    #[test]
    fn a_delta_leads_from_any_document_to_any_other(
        slots in catalogues(), catalogue in changes(), ours in changes(), theirs in changes(),
    ) {
        let base = Arc::new(base_of(&slots));
        let old = Document::new(Arc::clone(&base), &overrides(&placed(slots.len(), &ours)));
        let new = Document::new(Arc::clone(&base), &overrides(&placed(slots.len(), &theirs)));
        assert_delta(&old, &new);
        assert_delta(&new, &old);
        let moved: Vec<_> = placed(slots.len(), &catalogue)
            .iter()
            .map(|(slot, body)| (*slot, body.as_deref().map(fragment)))
            .collect();
        let moved = Arc::new(base.with_changes(&moved));
        let later = Document::new(moved, &overrides(&placed(slots.len(), &theirs)));
        assert_delta(&old, &later);
        assert_delta(&later, &old);
    }

    #[test]
    fn how_overrides_came_about_does_not_show(slots in catalogues(), changes in changes()) {
        let changes = placed(slots.len(), &changes);
        let base = Arc::new(base_of(&slots));
        let document = Document::new(Arc::clone(&base), &overrides(&changes));
        // Naming what the base shows anyway, by other fragments of equal text, changes nothing.
        let mut more = overrides(&changes);
        for (slot, body) in slots.iter().enumerate().take(5) {
            more.entry(slot).or_insert_with(|| body.as_deref().map(fragment));
        }
        let same = Document::new(Arc::clone(&base), &more);
        prop_assert_eq!(same.entry(), document.entry());
        let again = Document::with_id(base, &more, document.id());
        assert_says(&again, &document.text());
    }
}

fn catalogue(len: usize) -> Vec<Option<String>> {
    (0..len)
        .map(|n| Some(format!("{{\"name\": \"skill-{n}\", \"description\": \"does {}\"}}", n * 7)))
        .collect()
}

#[test]
fn a_purchase_is_a_delta_of_its_own_size_at_any_catalogue_size() {
    let len_at = |len: usize| {
        let base = Arc::new(base_of(&catalogue(len)));
        let old = Document::new(Arc::clone(&base), &Overrides::new());
        let bought = [(len / 2, Some("bought".to_owned()))];
        let new = Document::new(base, &overrides(&bought));
        assert_delta(&old, &new);
        new.delta_from(&old).expect("worth it").len()
    };
    assert!(len_at(10_000) < len_at(100) + 10);
    assert!(len_at(10_000) < 40);
}

#[test]
fn a_small_change_inside_a_fragment_is_all_that_a_delta_carries() {
    let text = |version: &str| format!("{{\"a\": \"{}\", \"version\": \"{version}\"}}", "x".repeat(500));
    let slots = vec![Some(text("1.0.0")), Some(text("2.0.0"))];
    let base = Arc::new(base_of(&slots));
    let old = Document::new(Arc::clone(&base), &Overrides::new());
    let new = Document::new(base, &overrides(&[(1, Some(text("2.7.0")))]));
    assert_delta(&old, &new);
    assert!(new.delta_from(&old).unwrap().len() < 20);
}

#[test]
fn a_delta_that_saves_nothing_is_not_made() {
    let old = Document::new(Arc::new(base_of(&catalogue(1))), &Overrides::new());
    let other = vec![Some("?".repeat(5000))];
    let new = Document::new(Arc::new(base_of(&other)), &Overrides::new());
    assert_eq!(new.delta_from(&old), None);
}

#[test]
fn a_changed_base_shares_what_did_not_change() {
    let slots = catalogue(1000);
    let base = base_of(&slots);
    base.warm();
    let changed = base.with_changes(&[(700, Some(fragment("new")))]);
    let shared: Vec<bool> =
        base.blocks.iter().zip(&changed.blocks).map(|(one, other)| Arc::ptr_eq(one, other)).collect();
    assert_eq!(shared, [true, true, false, true]);
}

#[test]
fn the_first_fragment_moves_between_parts_and_blocks() {
    let mut base = Arc::new(base_of(&catalogue(600)));
    let mut slots = catalogue(600);
    let reader = overrides(&[(9, Some("r".into())), (300, None), (513, Some("r".into()))]);
    // Emptied from the front up to these slots, and filled again.
    for end in [4usize, 16, 256, 258, 512, 600, 513, 257, 255, 5, 0] {
        Document::new(Arc::clone(&base), &reader).entry();
        let wanted: Vec<Option<String>> =
            catalogue(600).into_iter().enumerate().map(|(n, slot)| slot.filter(|_| n >= end)).collect();
        let changes: Vec<_> = (0..600)
            .filter(|slot| slots[*slot] != wanted[*slot])
            .map(|slot| (slot, wanted[slot].as_deref().map(fragment)))
            .collect();
        base = Arc::new(base.with_changes(&changes));
        slots = wanted;
        assert_says(&Document::new(Arc::clone(&base), &Overrides::new()), &naive(&slots));
    }
}

#[test]
fn documents_share_the_deflated_blocks_of_their_base() {
    let base = Arc::new(base_of(&catalogue(2000)));
    base.warm();
    let one = Document::new(Arc::clone(&base), &overrides(&[(3, Some("a".into()))])).entry();
    let other = Document::new(base, &overrides(&[(5, Some("b".into()))])).entry();
    let address = |rope: &crate::rope::Rope| -> Vec<*const u8> {
        rope.pieces().iter().map(|piece| piece.as_ptr()).collect()
    };
    let (one, other) = (address(&one), address(&other));
    let shared = one.iter().filter(|piece| other.contains(piece)).count();
    assert!(shared >= 7, "all blocks but the first are shared, not {shared}");
}

#[test]
fn splicing_costs_few_bytes_over_one_stream() {
    let slots = catalogue(10_000);
    let base = Arc::new(base_of(&slots));
    let plain = crate::pack::object_entry(Kind::Blob, &naive(&slots)).len() as u64;
    let spliced = Document::new(Arc::clone(&base), &Overrides::new()).entry().len();
    assert!(spliced * 100 < plain * 110, "{spliced} against {plain}");
    let bought: Vec<_> = (0..20).map(|n| (n * 487, Some(format!("bought {n}")))).collect();
    let buyer = Document::new(base, &overrides(&bought)).entry().len();
    assert!(buyer * 100 < plain * 125, "{buyer} against {plain}");
}
