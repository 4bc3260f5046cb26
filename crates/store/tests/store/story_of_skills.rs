//! Listings, releases, stubs, the catalogue, grants and lineages: added, found, listed, changed.

use skaas_domain::{
    entitlement::{GrantKind, StubReason},
    id::{OrderId, PriceId, UserId},
    listing::{Listing, ListingState},
    money::{Interval, Price},
    prices::Prices,
};
use skaas_store::{
    Conflict, StoreError,
    catalogue::{self, Entry},
    contents, grants,
    listings::{self, ListingFilter, ListingSearch, NewListing},
    prices,
    releases::{self, Added},
    sources::Source,
    steps::{self, Advance, Repo},
    stubs::{self, NewStub},
};

use crate::world::{World, at, oid, step};

pub(crate) async fn tell(world: &mut World) {
    let creator = world.user("maker").await;
    let source = world.source(creator.id, "kit").await;
    let pro = listings_are_kept_whole(world, &source).await;
    prices_are_archived_and_never_edited(world, &pro).await;
    look_alikes_are_only_ones_own(world, &source).await;
    deleted_skills_leave_name_and_place_behind(world, &source).await;
    releases_never_change(world, &pro).await;
    stubs_are_kept_when_replaced(world, &pro).await;
    the_catalogue_is_known_at_every_revision(world, &source).await;
    grants_end_once(world, &pro, creator.id).await;
    an_order_takes_back_its_own_grants(world, &pro).await;
    lineages_only_grow(world, &pro).await;
}

async fn listings_are_kept_whole(world: &mut World, source: &Source) -> Listing {
    let new = world.new_listing(source, "lint-pro");
    let mut tx = world.store.begin().await.unwrap();
    let draft = listings::add(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((draft.skill, draft.state, draft.prices.text()), (new.skill, ListingState::Draft, None));
    assert_eq!(
        (&draft.description, &draft.features, &draft.tags),
        (&new.description, &new.features, &new.tags)
    );
    assert_eq!((draft.creator_name.as_str(), draft.position), ("maker", 0));

    let mut conn = world.store.read().await.unwrap();
    let paid = Price::new(900, "usd", Interval::Month).unwrap();
    let mut changed = draft.clone();
    changed.state = ListingState::Published;
    changed.published_at = Some(at(9));
    changed.updated_at = at(9);
    changed.trial_days = 14;
    changed.category = None;
    changed.tags = vec![];
    changed.problems = vec!["SKILL.md:1: …".to_owned()];
    for price in [Some(paid), Some(Price::Free), None, Some(paid)] {
        let id = PriceId::new(at(9), &mut world.rng);
        changed.prices = price.map_or_else(Prices::default, |price| Prices::default().only(id, price));
        let mut tx = world.store.begin().await.unwrap();
        listings::update(&mut tx, &changed).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(listings::find_by_id(&mut conn, draft.skill).await.unwrap(), Some(changed.clone()));
    }
    assert_eq!(listings::find_by_name(&mut conn, "lint-pro").await.unwrap(), Some(changed.clone()));
    for (text, state, expected) in [
        ("INT-P", None, 1),
        ("make", None, 1),
        ("", Some(ListingState::Published), 1),
        ("", Some(ListingState::Quarantined), 0),
        ("lint_pro", None, 0),
    ] {
        let search = ListingSearch { text, state };
        assert_eq!(listings::count(&mut conn, &search).await.unwrap(), expected, "{text}");
        let found = listings::search(&mut conn, &search, 0, 9).await.unwrap();
        assert_eq!(found.len() as u64, expected);
        assert!(found.iter().all(|found| *found == changed));
        assert_eq!(listings::search(&mut conn, &search, 1, 9).await.unwrap(), []);
    }
    let mut held = changed.clone();
    held.quarantine("under review", at(9)).unwrap();
    for listing in [&held, &changed] {
        let mut tx = world.store.begin().await.unwrap();
        listings::update(&mut tx, listing).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(listings::find_by_id(&mut conn, draft.skill).await.unwrap().as_ref(), Some(listing));
    }
    assert_eq!(listings::find_by_name(&mut conn, "lint").await.unwrap(), None);

    // Impossible rows cannot be written in the first place.
    let mut impossible = changed.clone();
    impossible.published_at = None;
    let mut tx = world.store.begin().await.unwrap();
    assert!(listings::update(&mut tx, &impossible).await.is_err());
    assert!(matches!(tx.commit().await, Err(StoreError::Aborted)), "a failed transaction says so");

    let other = world.skill(source, "pdf").await;
    let mut tx = world.store.begin().await.unwrap();
    listings::move_to(&mut tx, other.skill, source.id, "documents/pdf").await.unwrap();
    tx.commit().await.unwrap();
    let folders = listings::folders(&mut conn, source.id).await.unwrap();
    let folders: Vec<_> = folders.iter().map(|f| (f.name.as_str(), f.folder.as_str())).collect();
    assert_eq!(folders, [("pdf", "documents/pdf"), ("lint-pro", "skills/lint-pro")]);

    let names = async |filter: ListingFilter| -> Vec<String> {
        let mut conn = world.store.read().await.unwrap();
        listings::list(&mut conn, &filter).await.unwrap().into_iter().map(|l| l.name).collect()
    };
    let all = ListingFilter::default();
    assert_eq!(names(all).await, ["lint-pro", "pdf"]);
    assert_eq!(names(ListingFilter { limit: 1, ..all }).await, ["lint-pro"]);
    assert_eq!(names(ListingFilter { after: 0, ..all }).await, ["pdf"]);
    assert_eq!(names(ListingFilter { state: Some(ListingState::Draft), ..all }).await, ["pdf"]);
    assert_eq!(names(ListingFilter { creator: Some(source.creator), ..all }).await.len(), 2);
    let nobody = UserId::new(at(0), &mut world.rng);
    assert!(names(ListingFilter { creator: Some(nobody), ..all }).await.is_empty());
    assert_eq!(listings::all(&mut conn).await.unwrap().len(), 2);
    changed
}

async fn prices_are_archived_and_never_edited(world: &mut World, pro: &Listing) {
    let mut id = || PriceId::new(at(10), &mut world.rng);
    let price = |minor, currency, interval| Price::new(minor, currency, interval).unwrap();
    let kept = pro.prices.iter().next().copied().unwrap();
    assert_eq!(kept.price, price(900, "USD", Interval::Month));
    let euros = pro.prices.with(id(), price(800, "EUR", Interval::Month)).unwrap();
    let dearer = euros.with(id(), price(850, "EUR", Interval::Month)).unwrap();
    let write = async |prices: &Prices, moment: i64| {
        let mut tx = world.store.begin().await.unwrap();
        let listing = Listing { prices: prices.clone(), updated_at: at(moment), ..pro.clone() };
        listings::update(&mut tx, &listing).await.unwrap();
        tx.commit().await.unwrap();
        let mut conn = world.store.read().await.unwrap();
        let filter = ListingFilter { limit: 1, ..ListingFilter::default() };
        for found in [
            listings::find_by_id(&mut conn, pro.skill).await.unwrap(),
            listings::find_by_name(&mut conn, &pro.name).await.unwrap(),
            listings::all(&mut conn).await.unwrap().into_iter().find(|found| found.skill == pro.skill),
            listings::list(&mut conn, &filter).await.unwrap().pop(),
        ] {
            assert_eq!(found.as_ref(), Some(&listing));
        }
        prices::history(&mut conn, pro.skill).await.unwrap()
    };
    let before = write(&pro.prices, 11).await.len();
    write(&euros, 12).await;
    let history = write(&dearer, 13).await;
    let [old, new] = &history[before..] else { panic!("{history:?}") };
    assert_eq!(
        (old.listed.price, old.created_at, old.archived_at),
        (price(800, "EUR", Interval::Month), at(12), Some(at(13)))
    );
    assert_eq!(
        (new.listed.price, new.created_at, new.archived_at),
        (price(850, "EUR", Interval::Month), at(13), None)
    );
    // An archived price doesn't come back: the same amount is a new price.
    let back = dearer.without(new.listed.id).unwrap().with(id(), old.listed.price).unwrap();
    let history = write(&back, 14).await;
    assert_eq!(history.iter().filter(|row| row.archived_at.is_none()).count(), 2);
    assert_eq!((history.len(), history[before]), (before + 3, *old));
    write(&pro.prices, 15).await;
    // Restores what the rest of the story expects.
    let mut tx = world.store.begin().await.unwrap();
    listings::update(&mut tx, pro).await.unwrap();
    tx.commit().await.unwrap();
}

async fn an_order_takes_back_its_own_grants(world: &mut World, pro: &Listing) {
    let (cleo, percy) = (world.user("cleo").await, world.user("percy").await);
    let [bought, other] = [(); 2].map(|()| OrderId::new(at(4), &mut world.rng));
    let mut tx = world.store.begin().await.unwrap();
    let mut made = Vec::new();
    for (user, order, until) in [
        (cleo.id, Some(bought), Some(at(100))),
        (cleo.id, Some(bought), Some(at(20))),
        (percy.id, Some(bought), None),
        (cleo.id, Some(other), None),
        (cleo.id, None, None),
    ] {
        let mut record = world.grant(user, pro.skill, GrantKind::Purchase);
        (record.order, record.grant.until) = (order, until);
        grants::add(&mut tx, &record).await.unwrap();
        assert_eq!(grants::find(&mut tx, record.grant.id).await.unwrap(), Some(record.clone()));
        made.push(record.grant.id);
    }
    tx.commit().await.unwrap();
    let revision = world.store.revisions(percy.id).await.unwrap().user;

    let mut tx = world.store.begin().await.unwrap();
    let mut ended: Vec<_> = grants::revoke_order(&mut tx, bought, at(30)).await.unwrap();
    ended.sort_by_key(|grant| grant.id);
    assert_eq!(ended.iter().map(|grant| grant.id).collect::<Vec<_>>(), made[..3], "ended ones included");
    assert!(ended.iter().all(|grant| grant.revoked_at == Some(at(30))));
    assert_eq!(grants::revoke_order(&mut tx, bought, at(31)).await.unwrap(), [], "once is enough");
    drop(tx);
    let mut conn = world.store.read().await.unwrap();
    assert_eq!(
        grants::find(&mut conn, made[0]).await.unwrap().unwrap().grant.revoked_at,
        None,
        "it was the caller's transaction"
    );

    let mut tx = world.store.begin().await.unwrap();
    grants::revoke_order(&mut tx, bought, at(30)).await.unwrap();
    tx.commit().await.unwrap();
    assert!(world.store.revisions(percy.id).await.unwrap().user > revision, "every node notices");
    for (id, revoked) in made.iter().zip([true, true, true, false, false]) {
        let grant = grants::find(&mut conn, *id).await.unwrap().unwrap().grant;
        assert_eq!(grant.revoked_at.is_some(), revoked);
    }
}

/// Why a draft is refused.
async fn refused(world: &World, new: &NewListing) -> Conflict {
    let mut tx = world.store.begin().await.unwrap();
    match listings::add(&mut tx, new).await {
        Err(StoreError::Conflict(conflict)) => conflict,
        other => panic!("{other:?}"),
    }
}

async fn look_alikes_are_only_ones_own(world: &mut World, source: &Source) {
    let rival = world.user("rival").await;
    let theirs = world.source(rival.id, "copies").await;
    let twin = world.new_listing(&theirs, "1int-pro");
    let look = Conflict::LookAlike { name: "1int-pro".to_owned(), of: "lint-pro".to_owned() };
    assert_eq!(refused(world, &twin).await, look);
    let same = world.new_listing(&theirs, "lint-pro");
    assert_eq!(refused(world, &same).await, Conflict::NameTaken { name: "lint-pro".to_owned() });
    assert_eq!(world.skill(source, "lintpro").await.position, 2, "a refusal uses up no place");
}

async fn deleted_skills_leave_name_and_place_behind(world: &mut World, source: &Source) {
    let gone = world.skill(source, "gone").await;
    let mut tx = world.store.begin().await.unwrap();
    listings::delete(&mut tx, gone.skill, at(10)).await.unwrap();
    let twice = listings::delete(&mut tx, gone.skill, at(11)).await;
    assert!(matches!(twice, Err(StoreError::Missing("skill"))), "{twice:?}");
    tx.commit().await.unwrap();
    let mut conn = world.store.read().await.unwrap();
    assert_eq!(listings::find_by_id(&mut conn, gone.skill).await.unwrap(), None);
    assert_eq!(listings::find_by_name(&mut conn, "gone").await.unwrap(), None);
    let mut tx = world.store.begin().await.unwrap();
    assert!(matches!(listings::update(&mut tx, &gone).await, Err(StoreError::Missing("skill"))));
    drop(tx);
    let again = world.new_listing(source, "gone");
    assert_eq!(refused(world, &again).await, Conflict::NameRetired { name: "gone".to_owned() });
    assert_eq!(world.skill(source, "next").await.position, gone.position + 1);
}

async fn releases_never_change(world: &mut World, pro: &Listing) {
    let (one, two) = (oid(101), oid(102));
    world.content(one).await;
    world.content(two).await;
    world.content(one).await;
    let mut conn = world.store.read().await.unwrap();
    let content = contents::find(&mut conn, one).await.unwrap().unwrap();
    assert_eq!((content.objects, content.bytes, content.created_at), (3, 40, at(3)));
    assert_eq!(contents::find(&mut conn, oid(999)).await.unwrap(), None);

    let new = world.new_release(pro.skill, "1.0.0", one);
    let mut tx = world.store.begin().await.unwrap();
    let Added::New(first) = releases::add(&mut tx, &new).await.unwrap() else { panic!("it is new") };
    tx.commit().await.unwrap();
    assert_eq!((first.seq, first.tree, first.commit, &first.notes), (0, one, new.commit, &new.notes));
    assert_eq!((first.source_commit, first.files, first.bytes), (Some(oid(7)), 2, 1234));

    let same = world.new_release(pro.skill, "1.0.0", one);
    let other = world.new_release(pro.skill, "1.0.0", two);
    let later = world.new_release(pro.skill, "1.1.0", two);
    let mut tx = world.store.begin().await.unwrap();
    assert_eq!(releases::add(&mut tx, &same).await.unwrap(), Added::Same(first.clone()));
    let refusal = releases::add(&mut tx, &other).await;
    let taken = matches!(&refusal, Err(StoreError::Conflict(Conflict::VersionTaken { version })) if version == "1.0.0");
    assert!(taken, "{refusal:?}");
    let Added::New(second) = releases::add(&mut tx, &later).await.unwrap() else { panic!("it is new") };
    tx.commit().await.unwrap();

    assert_eq!(releases::list(&mut conn, pro.skill).await.unwrap(), [first.clone(), second.clone()]);
    assert_eq!(releases::latest(&mut conn, pro.skill).await.unwrap(), Some(second.clone()));
    assert_eq!(releases::find(&mut conn, first.id).await.unwrap(), Some(first.clone()));
    assert_eq!(releases::find(&mut conn, same.id).await.unwrap(), None);
    let found = releases::find_by_version(&mut conn, pro.skill, "1.1.0").await.unwrap();
    assert_eq!(found, Some(second.clone()));
    let raw = releases::find_commit_raw(&mut conn, first.id).await.unwrap();
    assert_eq!(raw, Some(new.commit_raw));
    let heads = releases::all(&mut conn).await.unwrap();
    let heads: Vec<_> = heads.iter().map(|r| (r.skill, r.id, r.seq, r.version.as_str(), r.tree)).collect();
    assert_eq!(heads, [(pro.skill, first.id, 0, "1.0.0", one), (pro.skill, second.id, 1, "1.1.0", two)]);

    // A release of content that is not stored cannot be.
    let hollow = world.new_release(pro.skill, "9.0.0", oid(404));
    let mut tx = world.store.begin().await.unwrap();
    let outcome = async {
        releases::add(&mut tx, &hollow).await?;
        tx.commit().await
    };
    assert!(outcome.await.is_err());
    assert_eq!(releases::latest(&mut conn, pro.skill).await.unwrap(), Some(second));
}

async fn stubs_are_kept_when_replaced(world: &mut World, pro: &Listing) {
    let stub = |reason, n: u64| NewStub {
        skill: pro.skill,
        reason,
        tree: oid(n),
        version: format!("0.0.{n}"),
        commit: oid(n + 10_000),
        commit_raw: n.to_string().into_bytes(),
        created_at: at(12),
    };
    for n in [201, 202, 203] {
        world.content(oid(n)).await;
    }
    let set = async |new: NewStub| {
        let mut tx = world.store.begin().await.unwrap();
        stubs::set_current(&mut tx, &new).await.unwrap();
        let revision = tx.bump_catalogue().await.unwrap();
        tx.commit().await.unwrap();
        revision
    };
    set(stub(StubReason::Lapsed, 203)).await;
    let first = set(stub(StubReason::NotPurchased, 201)).await;
    let second = set(stub(StubReason::NotPurchased, 202)).await;
    assert_eq!(second, first + 1);
    let mut conn = world.store.read().await.unwrap();
    let current = stubs::current(&mut conn, pro.skill, StubReason::NotPurchased).await.unwrap().unwrap();
    assert_eq!(
        (current.tree, current.catalogue_revision, current.commit_raw),
        (oid(202), second, b"202".to_vec())
    );
    // The earlier one comes back with a later revision.
    set(stub(StubReason::NotPurchased, 201)).await;
    let current = stubs::current(&mut conn, pro.skill, StubReason::NotPurchased).await.unwrap().unwrap();
    assert_eq!(current.tree, oid(201));
    assert_eq!(stubs::current(&mut conn, pro.skill, StubReason::Revoked).await.unwrap(), None);
    let heads = stubs::all_current(&mut conn).await.unwrap();
    let heads: Vec<_> = heads.iter().map(|s| (s.reason, s.tree)).collect();
    assert_eq!(heads, [(StubReason::Lapsed, oid(203)), (StubReason::NotPurchased, oid(201))]);
}

async fn the_catalogue_is_known_at_every_revision(world: &mut World, source: &Source) {
    let skill = world.skill(source, "shown").await;
    let put = async |writes: &[(i64, Option<&str>)]| {
        let mut tx = world.store.begin().await.unwrap();
        let mut revision = tx.bump_catalogue().await.unwrap();
        for (position, fragment) in writes {
            if let Some(id) = fragment {
                catalogue::add_fragments(&mut tx, &[(id, &format!("text of {id}"))]).await.unwrap();
            }
            revision = catalogue::put_entry(&mut tx, *position, skill.skill, *fragment).await.unwrap();
        }
        assert_eq!(catalogue::revision(&mut tx).await.unwrap(), revision, "one transaction is one revision");
        tx.commit().await.unwrap();
        revision
    };
    let one = put(&[(0, Some("f0")), (1, Some("f1"))]).await;
    let two = put(&[(1, None), (5, Some("f0")), (5, Some("f5"))]).await;
    let three = put(&[(1, Some("f1b"))]).await;
    assert_eq!((two, three), (one + 1, one + 2));

    let mut conn = world.store.snapshot().await.unwrap();
    let shown = |entries: &[Entry]| -> Vec<(i64, i64, Option<String>)> {
        entries.iter().map(|e| (e.position, e.revision - one, e.fragment.clone())).collect()
    };
    let is = |position, revision, id: &str| (position, revision, (!id.is_empty()).then(|| id.to_owned()));
    assert_eq!(shown(&catalogue::entries_at(&mut conn, one - 1).await.unwrap()), []);
    let at_one = catalogue::entries_at(&mut conn, one).await.unwrap();
    assert_eq!(shown(&at_one), [is(0, 0, "f0"), is(1, 0, "f1")]);
    let at_two = catalogue::entries_at(&mut conn, two).await.unwrap();
    assert_eq!(shown(&at_two), [is(0, 0, "f0"), is(1, 1, ""), is(5, 1, "f5")]);
    let changes = catalogue::changes_between(&mut conn, one, three).await.unwrap();
    assert_eq!(shown(&changes), [is(1, 2, "f1b"), is(5, 1, "f5")]);
    assert_eq!(shown(&catalogue::changes_between(&mut conn, three, three).await.unwrap()), []);

    assert_eq!(catalogue::fragment(&mut conn, "f1").await.unwrap().as_deref(), Some("text of f1"));
    assert_eq!(catalogue::fragment(&mut conn, "none").await.unwrap(), None);
    let wanted = ["f0", "f5", "none", "f0"].map(str::to_owned);
    let texts = catalogue::fragments(&mut conn, &wanted).await.unwrap();
    assert_eq!((texts.len(), texts["f5"].as_str()), (2, "text of f5"));
    let mut ids: Vec<_> = catalogue::fragments_at(&mut conn, two).await.unwrap().into_keys().collect();
    ids.sort();
    assert_eq!(ids, ["f0", "f5"]);
    drop(conn);

    let mut tx = world.store.begin().await.unwrap();
    catalogue::add_fragments(&mut tx, &[("f0", "text of f0")]).await.unwrap();
    let twin = catalogue::add_fragments(&mut tx, &[("f0", "another")]).await;
    assert!(matches!(twin, Err(StoreError::Corrupt { .. })), "{twin:?}");
}

async fn grants_end_once(world: &mut World, pro: &Listing, owner: UserId) {
    let bob = world.user("bella").await;
    let trial = world.grant(bob.id, pro.skill, GrantKind::Trial);
    let mut gift = world.grant(bob.id, pro.skill, GrantKind::Gift);
    (gift.grant.until, gift.grant.updates_until) = (None, None);
    let mut tx = world.store.begin().await.unwrap();
    for record in [&trial, &gift] {
        grants::add(&mut tx, record).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut conn = world.store.read().await.unwrap();
    assert_eq!(grants::list(&mut conn, bob.id).await.unwrap(), [trial.grant.clone(), gift.grant.clone()]);
    assert_eq!(grants::list_for(&mut conn, bob.id, pro.skill).await.unwrap().len(), 2);
    assert_eq!(grants::list_for(&mut conn, owner, pro.skill).await.unwrap(), []);
    assert_eq!(grants::records(&mut conn, bob.id).await.unwrap(), [trial.clone(), gift.clone()]);
    assert_eq!(grants::find(&mut conn, gift.grant.id).await.unwrap(), Some(gift.clone()));
    assert_eq!(world.store.revisions(bob.id).await.unwrap().user, 2);

    // Whatever became of the first trial, there is no second.
    let again = world.grant(bob.id, pro.skill, GrantKind::Trial);
    let mut tx = world.store.begin().await.unwrap();
    let revoked = grants::revoke(&mut tx, trial.grant.id, at(30)).await.unwrap().unwrap();
    assert_eq!(revoked.revoked_at, Some(at(30)));
    assert_eq!(grants::revoke(&mut tx, trial.grant.id, at(31)).await.unwrap(), None, "once is enough");
    let refusal = grants::add(&mut tx, &again).await;
    assert!(matches!(refusal, Err(StoreError::Conflict(Conflict::TrialUsed))), "{refusal:?}");
    tx.commit().await.unwrap();

    let mut short = world.grant(bob.id, pro.skill, GrantKind::Seat);
    short.grant.until = Some(at(35));
    let mut tx = world.store.begin().await.unwrap();
    grants::add(&mut tx, &short).await.unwrap();
    let ended = grants::revoke_all(&mut tx, bob.id, pro.skill, at(40)).await.unwrap();
    assert_eq!(ended.iter().map(|g| g.id).collect::<Vec<_>>(), [gift.grant.id]);
    assert_eq!(grants::revoke_all(&mut tx, bob.id, pro.skill, at(41)).await.unwrap(), []);
    tx.commit().await.unwrap();
    let ends: Vec<_> = grants::list(&mut conn, bob.id).await.unwrap().iter().map(|g| g.revoked_at).collect();
    assert_eq!(ends, [Some(at(30)), Some(at(40)), None]);
    assert_eq!(world.store.revisions(bob.id).await.unwrap().user, 4);

    // A clock was ahead when the gift was revoked, and when another's trial was made.
    let later = world.user("later").await.id;
    assert_eq!(grants::count_made_after(&mut conn, at(39)).await.unwrap(), 1);
    let mut tx = world.store.begin().await.unwrap();
    assert_eq!(grants::restamp(&mut tx, at(39), at(20)).await.unwrap(), 1);
    assert_eq!(grants::restamp(&mut tx, at(39), at(20)).await.unwrap(), 0);
    let mut ahead = world.grant(later, pro.skill, GrantKind::Trial);
    (ahead.grant.made_at, ahead.grant.starts_at) = (at(90), at(90));
    grants::add(&mut tx, &ahead).await.unwrap();
    assert_eq!(grants::restamp(&mut tx, at(39), at(20)).await.unwrap(), 1);
    let trial = grants::find(&mut tx, ahead.grant.id).await.unwrap().unwrap().grant;
    assert_eq!(
        (trial.made_at, trial.starts_at, trial.until),
        (at(20), at(20), Some(at(30))),
        "its length stays"
    );
    drop(tx);

    // What was free is kept once, whatever became of the grant.
    let free = [(); 2].map(|()| world.grant(bob.id, pro.skill, GrantKind::Free));
    let mut tx = world.store.begin().await.unwrap();
    assert!(grants::add_free(&mut tx, &free[0]).await.unwrap());
    grants::revoke(&mut tx, free[0].grant.id, at(50)).await.unwrap().unwrap();
    assert!(!grants::add_free(&mut tx, &free[1]).await.unwrap());
    drop(tx);

    let nobody = UserId::new(at(0), &mut world.rng);
    let stray = world.grant(nobody, pro.skill, GrantKind::Gift);
    let mut tx = world.store.begin().await.unwrap();
    assert!(matches!(grants::add(&mut tx, &stray).await, Err(StoreError::Missing("user"))));
    assert_eq!(grants::revoke(&mut tx, stray.grant.id, at(1)).await.unwrap(), None);
    drop(tx);
    assert_eq!(world.store.bytes_per_user(bob.id).await.unwrap().grant_rows, 3);
}

async fn lineages_only_grow(world: &mut World, pro: &Listing) {
    let user = world.user("fetcher").await.id;
    let (market, skill) = (Repo::Marketplace, Repo::Skill(pro.skill));
    let advance = async |repo, expected, new: &steps::Step| {
        let mut tx = world.store.begin_lazy().await.unwrap();
        let outcome = steps::advance(&mut tx, user, repo, expected, new).await.unwrap();
        tx.commit().await.unwrap();
        outcome
    };
    let mut conn = world.store.read().await.unwrap();
    assert_eq!(steps::tip(&mut conn, user, market).await.unwrap(), None);
    assert_eq!(advance(market, Some((0, oid(9))), &step(1, 1)).await, Advance::Lost(None));
    assert_eq!(advance(market, None, &step(1, 1)).await, Advance::Lost(None), "a chain begins at 0");
    assert_eq!(world.store.revisions(user).await.unwrap().user, 1, "what was lost is no change");
    assert_eq!(advance(market, None, &step(0, 0)).await, Advance::Advanced);
    assert_eq!(advance(market, None, &step(0, 5)).await, Advance::Lost(Some(step(0, 0))));
    assert_eq!(advance(market, Some((0, oid(5))), &step(1, 1)).await, Advance::Lost(Some(step(0, 0))));
    assert_eq!(advance(market, Some((0, oid(0))), &step(1, 1)).await, Advance::Advanced);
    assert_eq!(advance(market, Some((1, oid(1))), &step(3, 3)).await, Advance::Lost(Some(step(1, 1))));
    assert_eq!(advance(skill, None, &step(0, 70)).await, Advance::Advanced);
    assert_eq!(world.store.revisions(user).await.unwrap().user, 4);

    assert_eq!(steps::tip(&mut conn, user, market).await.unwrap(), Some(step(1, 1)));
    assert_eq!(steps::list(&mut conn, user, market).await.unwrap(), [step(0, 0), step(1, 1)]);
    assert_eq!(steps::list(&mut conn, user, skill).await.unwrap(), [step(0, 70)]);
    // The clock was ahead when the last was written; only the stamp changes.
    let stamp = step(1, 1).created_at;
    assert_eq!(steps::count_after(&mut conn, step(0, 0).created_at).await.unwrap(), 1);
    let mut tx = world.store.begin().await.unwrap();
    assert_eq!(steps::restamp(&mut tx, step(0, 0).created_at, at(0)).await.unwrap(), 1);
    let tip = steps::tip(&mut tx, user, market).await.unwrap().unwrap();
    assert_eq!(tip, steps::Step { created_at: at(0), ..step(1, 1) });
    assert!(stamp > at(0));
    drop(tx);
    let mut tips = Vec::new();
    while let page = steps::tips(&mut conn, tips.last().copied(), 1).await.unwrap()
        && let [tip] = &page[..]
    {
        tips.push((tip.user, tip.repo));
    }
    assert_eq!(tips, [(user, market), (user, skill)], "each once");
    // Nobody else's lineage is touched.
    assert_eq!(steps::tip(&mut conn, pro.creator, market).await.unwrap(), None);

    let size = world.store.bytes_per_user(user).await.unwrap();
    assert_eq!(size.step_rows, 3);
    // repo, raw commit, state, fixed part of each row; delta and root of the one that has them.
    assert_eq!(size.steps, (11 + 8 + 7 + 86) * 2 + (3 + 20) + (30 + 9 + 8 + 86));
}
