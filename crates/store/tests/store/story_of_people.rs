//! Users, tokens, settings, sources: added, found, listed, changed, gone.

use skaas_domain::{
    secret::SecretHash,
    user::{TokenRecord, User},
};
use skaas_store::{
    Conflict, Revisions, StoreError, known_browsers, operators, settings,
    sources::{self, RefChange, SourcePack, SourceRef},
    tokens::{self, TokenUse},
    users::{self, UserSearch},
};

use crate::world::{World, at, oid};

pub(crate) async fn tell(world: &mut World) {
    names_are_given_once(world).await;
    tokens_open_until_revoked(world).await;
    browsers_are_known_to_whom_they_signed_in(world).await;
    settings_are_shared(world).await;
    operators_have_a_role_while_their_account_works(world).await;
    users_are_searched_by_any_part(world).await;
    sources_hold_refs_and_packs(world).await;
    the_deleted_leave_their_name_behind(world).await;
}

async fn refused(world: &World, user: &User) -> Conflict {
    let mut tx = world.store.begin().await.unwrap();
    match users::add(&mut tx, user).await {
        Err(StoreError::Conflict(conflict)) => conflict,
        other => panic!("{other:?}"),
    }
}

async fn names_are_given_once(world: &mut World) {
    let alice = world.user("alice").await;
    let bob = world.user("bob").await;

    let name = "alice".to_owned();
    let same = world.person("alice");
    assert_eq!(refused(world, &same).await, Conflict::NameTaken { name });
    let like = world.person("al1ce");
    let look = Conflict::LookAlike { name: "al1ce".to_owned(), of: "alice".to_owned() };
    assert_eq!(refused(world, &like).await, look);
    let mut mail = world.person("carol");
    "ALICE@example.COM".clone_into(&mut mail.email);
    assert_eq!(refused(world, &mail).await, Conflict::EmailTaken);

    // A refusal leaves the transaction usable, and nothing behind.
    let carol = world.person("carol");
    let mut tx = world.store.begin().await.unwrap();
    assert!(users::add(&mut tx, &mail).await.is_err());
    users::add(&mut tx, &carol).await.unwrap();
    assert_eq!(users::find_by_id(&mut tx, carol.id).await.unwrap(), Some(carol.clone()));
    tx.commit().await.unwrap();

    let mut conn = world.store.read().await.unwrap();
    assert_eq!(users::find_by_username(&mut conn, "alice").await.unwrap(), Some(alice.clone()));
    assert_eq!(users::find_by_username(&mut conn, "Alice").await.unwrap(), None);
    assert_eq!(users::find_by_email(&mut conn, "bob@EXAMPLE.com").await.unwrap(), Some(bob.clone()));
    assert_eq!(users::find_by_id(&mut conn, mail.id).await.unwrap(), None);
    assert_eq!(users::list(&mut conn, "", 2).await.unwrap(), [alice, bob]);
    assert_eq!(users::list(&mut conn, "bob", 2).await.unwrap(), [carol]);
}

async fn tokens_open_until_revoked(world: &mut World) {
    let mut conn = world.store.read().await.unwrap();
    let alice = users::find_by_username(&mut conn, "alice").await.unwrap().unwrap();
    let before = world.store.revisions(alice.id).await.unwrap();
    assert_eq!(before, Revisions { catalogue: 0, user: 1 });

    let (laptop, mut job) = (world.token(alice.id, "laptop"), world.token(alice.id, "job"));
    job.scopes = "skill:lint-pro action:github read-only".parse().unwrap();
    let mut tx = world.store.begin().await.unwrap();
    tokens::add(&mut tx, &laptop).await.unwrap();
    tokens::add(&mut tx, &job).await.unwrap();
    let mut twin = world.token(alice.id, "twin");
    twin.id_part.clone_from(&laptop.id_part);
    let refusal = tokens::add(&mut tx, &twin).await;
    assert!(matches!(refusal, Err(StoreError::Conflict(Conflict::TokenTaken))), "{refusal:?}");
    tx.commit().await.unwrap();

    let bearer = tokens::find_by_hash(&mut conn, &laptop.hash).await.unwrap().unwrap();
    assert_eq!((bearer.token, bearer.user, bearer.revision), (laptop.clone(), alice.clone(), 2));
    assert_eq!(tokens::find_by_hash(&mut conn, &twin.hash).await.unwrap(), None);
    assert_eq!(tokens::list(&mut conn, alice.id).await.unwrap().len(), 2);

    // Use is noted, newest wins, and nobody's cache is disturbed by it.
    let mut tx = world.store.begin().await.unwrap();
    let once = |id, seconds, from: Option<&str>| TokenUse { id, at: at(seconds), from: from.map(Into::into) };
    let uses = [once(laptop.id, 20, None), once(laptop.id, 30, Some("192.0.2.7")), once(job.id, 10, None)];
    tokens::touch(&mut tx, &uses).await.unwrap();
    tokens::touch(&mut tx, &[once(laptop.id, 25, Some("192.0.2.8"))]).await.unwrap();
    tx.commit().await.unwrap();
    let bearer = tokens::find_by_hash(&mut conn, &laptop.hash).await.unwrap().unwrap();
    assert_eq!((bearer.token.last_used_at, bearer.revision), (Some(at(30)), 2));
    assert_eq!(bearer.token.last_used_from.as_deref(), Some("192.0.2.7"));
    let bearer = tokens::find_by_hash(&mut conn, &job.hash).await.unwrap().unwrap();
    assert_eq!((bearer.token.last_used_at, bearer.token.last_used_from), (Some(at(10)), None));
    assert_eq!(bearer.token.scopes, job.scopes);

    // By id part or id, once; another's token is not there to be revoked.
    let bob = users::find_by_username(&mut conn, "bob").await.unwrap().unwrap();
    let mut tx = world.store.begin().await.unwrap();
    assert_eq!(tokens::revoke(&mut tx, bob.id, &laptop.id_part, at(40)).await.unwrap(), None);
    let revoked = tokens::revoke(&mut tx, alice.id, &laptop.id_part, at(40)).await.unwrap().unwrap();
    assert_eq!((revoked.id, revoked.revoked_at), (laptop.id, Some(at(40))));
    let again = tokens::revoke(&mut tx, alice.id, &laptop.id.to_string(), at(50)).await.unwrap().unwrap();
    assert_eq!(again.revoked_at, Some(at(40)));
    assert_eq!(tokens::revoke_all(&mut tx, alice.id, at(60)).await.unwrap(), 1);
    tx.commit().await.unwrap();
    for (token, since) in [(&laptop, at(40)), (&job, at(60))] {
        let bearer = tokens::find_by_hash(&mut conn, &token.hash).await.unwrap().unwrap();
        assert_eq!((bearer.token.revoked_at, bearer.revision), (Some(since), 3));
        assert!(!bearer.token.works(since));
    }

    // A token knows which one created it, and is found by its owner alone.
    let child = TokenRecord { parent: Some(laptop.id), ..world.token(alice.id, "child") };
    let mut tx = world.store.begin().await.unwrap();
    tokens::add(&mut tx, &child).await.unwrap();
    assert_eq!(tokens::find(&mut tx, alice.id, child.id).await.unwrap(), Some(child.clone()));
    assert_eq!(tokens::find(&mut tx, bob.id, child.id).await.unwrap(), None);
    drop(tx);
    assert_eq!(world.store.revisions(bob.id).await.unwrap().user, 2);
    assert_eq!(world.store.bytes_per_user(alice.id).await.unwrap().tokens, 132 * 2 + 9);
}

async fn browsers_are_known_to_whom_they_signed_in(world: &mut World) {
    let mut tx = world.store.begin().await.unwrap();
    let alice = users::find_by_username(&mut tx, "alice").await.unwrap().unwrap();
    let bob = users::find_by_username(&mut tx, "bob").await.unwrap().unwrap();
    let [shared, phone] = ["shared", "phone"].map(SecretHash::of);
    known_browsers::put(&mut tx, alice.id, &shared, at(10)).await.unwrap();
    known_browsers::put(&mut tx, bob.id, &shared, at(20)).await.unwrap();
    known_browsers::put(&mut tx, alice.id, &phone, at(10)).await.unwrap();
    assert_eq!(known_browsers::users(&mut tx, &shared, at(0)).await.unwrap(), [bob.clone(), alice.clone()]);
    assert_eq!(known_browsers::users(&mut tx, &shared, at(11)).await.unwrap(), std::slice::from_ref(&bob));
    // Signing in again counts from then on.
    known_browsers::put(&mut tx, alice.id, &shared, at(30)).await.unwrap();
    assert_eq!(known_browsers::users(&mut tx, &shared, at(11)).await.unwrap(), [alice.clone(), bob.clone()]);
    assert_eq!(known_browsers::forget(&mut tx, at(20)).await.unwrap(), 1, "the phone");
    assert_eq!(known_browsers::users(&mut tx, &phone, at(0)).await.unwrap(), []);
    known_browsers::remove_all(&mut tx, alice.id).await.unwrap();
    assert_eq!(known_browsers::users(&mut tx, &shared, at(0)).await.unwrap(), [bob]);
}

async fn operators_have_a_role_while_their_account_works(world: &mut World) {
    let olga = world.user("olga").await;
    let store = world.store.clone();
    let mut tx = store.begin().await.unwrap();
    assert!(!operators::hold(&mut tx, olga.id).await.unwrap());
    assert!(operators::add(&mut tx, olga.id, at(3), "root").await.unwrap());
    assert!(!operators::add(&mut tx, olga.id, at(4), "somebody else").await.unwrap());
    assert!(operators::hold(&mut tx, olga.id).await.unwrap());
    tx.commit().await.unwrap();
    let mut conn = store.read().await.unwrap();
    let [one] = &operators::list(&mut conn).await.unwrap()[..] else { panic!("one operator") };
    assert_eq!((&one.user, one.added_at, one.added_by.as_str()), (&olga, at(3), "root"));

    let before = store.revisions(olga.id).await.unwrap().user;
    let mut tx = store.begin().await.unwrap();
    assert!(users::suspend(&mut tx, olga.id, at(5), "a reason").await.unwrap());
    assert!(!users::suspend(&mut tx, olga.id, at(6), "another").await.unwrap());
    assert!(operators::has_role(&mut tx, olga.id).await.unwrap());
    assert!(!operators::hold(&mut tx, olga.id).await.unwrap(), "a suspended operator does nothing");
    tx.commit().await.unwrap();
    assert!(store.revisions(olga.id).await.unwrap().user > before, "caches notice");
    let found = users::find_by_id(&mut conn, olga.id).await.unwrap().unwrap();
    assert_eq!(found.suspended_at, Some(at(5)));
    assert_eq!(users::suspended_reason(&mut conn, olga.id).await.unwrap().as_deref(), Some("a reason"));
    assert_eq!(operators::counts(&mut conn).await.unwrap().suspended, 1);

    let mut tx = store.begin().await.unwrap();
    assert!(users::unsuspend(&mut tx, olga.id).await.unwrap());
    assert!(!users::unsuspend(&mut tx, olga.id).await.unwrap());
    assert!(operators::is_one(&mut tx, olga.id).await.unwrap());
    assert!(operators::remove(&mut tx, olga.id).await.unwrap());
    assert!(!operators::remove(&mut tx, olga.id).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(users::suspended_reason(&mut conn, olga.id).await.unwrap(), None);
    assert!(operators::list(&mut conn).await.unwrap().is_empty());
}

async fn users_are_searched_by_any_part(world: &mut World) {
    world.user("percent").await;
    let mut conn = world.store.read().await.unwrap();
    let mut names = async |text: &str, suspended: bool, skipped: u64, limit: u32| {
        let search = UserSearch { text, suspended };
        let count = users::count(&mut conn, &search).await.unwrap();
        let found = users::search(&mut conn, &search, skipped, limit).await.unwrap();
        (count, found.into_iter().map(|user| user.username).collect::<Vec<_>>())
    };
    assert_eq!(names("ERCEN", false, 0, 9).await, (1, vec!["percent".to_owned()]));
    assert_eq!(names("percent@EXAMPLE.com", false, 0, 9).await.0, 1);
    for wild in ["per%t", "per_ent", "!", "'"] {
        assert_eq!(names(wild, false, 0, 9).await, (0, vec![]), "{wild}");
    }
    let (all, page) = names("", false, 1, 1).await;
    assert!(all > 2 && page.len() == 1, "{all} {page:?}");
    assert_eq!(names("", true, 0, 9).await, (0, vec![]));
}

async fn settings_are_shared(world: &mut World) {
    let mut tx = world.store.begin().await.unwrap();
    assert_eq!(settings::get(&mut tx, "render_key").await.unwrap(), None);
    settings::set(&mut tx, "render_key", "2").await.unwrap();
    assert_eq!(settings::get_or_add(&mut tx, "render_key", "9").await.unwrap(), "2");
    assert_eq!(settings::get_or_add(&mut tx, "other", "9").await.unwrap(), "9");
    settings::set(&mut tx, "other", "10").await.unwrap();
    tx.commit().await.unwrap();
    let mut conn = world.store.read().await.unwrap();
    assert_eq!(settings::get(&mut conn, "other").await.unwrap().as_deref(), Some("10"));
}

async fn sources_hold_refs_and_packs(world: &mut World) {
    let ann = world.user("ann").await;
    let source = world.source(ann.id, "tools").await;
    let mut tx = world.store.begin().await.unwrap();
    let refusal = sources::add(&mut tx, &source).await;
    assert!(matches!(refusal, Err(StoreError::Conflict(Conflict::SourceExists))), "{refusal:?}");
    let problems = vec!["skills/x/SKILL.md:3: no name".to_owned()];
    sources::set_problems(&mut tx, source.id, &problems).await.unwrap();
    tx.commit().await.unwrap();
    let mut conn = world.store.read().await.unwrap();
    let found = sources::find(&mut conn, ann.id, "tools").await.unwrap().unwrap();
    assert_eq!(found.problems, problems);
    assert_eq!(sources::find_by_id(&mut conn, source.id).await.unwrap(), Some(found.clone()));
    assert_eq!(sources::list(&mut conn, ann.id).await.unwrap(), [found]);
    assert_eq!(sources::find(&mut conn, ann.id, "other").await.unwrap(), None);

    let change = |name: &str, old: Option<u64>, new: Option<u64>| RefChange {
        name: format!("refs/heads/{name}"),
        old: old.map(oid),
        new: new.map(oid),
    };
    let swap = async |changes: &[RefChange]| {
        let mut tx = world.store.begin().await.unwrap();
        let outcome = sources::compare_and_swap_refs(&mut tx, source.id, changes).await;
        // Committed even when refused: a refusal must not have written anything.
        tx.commit().await.unwrap();
        outcome
    };
    swap(&[change("main", None, Some(1)), change("dev", None, Some(2))]).await.unwrap();
    for stale in [change("main", None, Some(3)), change("main", Some(9), Some(3)), change("x", Some(1), None)]
    {
        let name = stale.name.clone();
        let refusal = swap(&[change("dev", Some(2), Some(4)), stale]).await.unwrap_err();
        assert!(matches!(refusal, StoreError::Conflict(Conflict::RefMoved { name: n }) if n == name));
    }
    swap(&[change("main", Some(1), Some(5)), change("dev", Some(2), None)]).await.unwrap();
    let main = SourceRef { name: "refs/heads/main".to_owned(), target: oid(5) };
    assert_eq!(sources::refs(&mut conn, source.id).await.unwrap(), [main]);

    let pack = |n: u64, seconds: i64| SourcePack {
        source: source.id,
        pack: oid(n),
        bytes: 100,
        objects: 3,
        created_at: at(seconds),
        retired_at: None,
    };
    let mut tx = world.store.begin().await.unwrap();
    for pack in [pack(1, 9), pack(2, 8)] {
        sources::add_pack(&mut tx, &pack).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(sources::packs(&mut conn, source.id).await.unwrap(), [pack(2, 8), pack(1, 9)]);
    let retire = async |pack, moment| {
        let mut tx = world.store.begin().await.unwrap();
        sources::retire_pack(&mut tx, source.id, pack, moment).await.unwrap();
        tx.commit().await.unwrap();
    };
    retire(oid(2), at(10)).await;
    world.store.delete_retired_pack(source.id, oid(1), at(99)).await.unwrap();
    assert_eq!(sources::packs(&mut conn, source.id).await.unwrap(), [pack(1, 9)], "what is in use stays");
    assert_eq!(sources::retired_packs(&mut conn, at(10)).await.unwrap(), []);
    assert_eq!(sources::retired_packs(&mut conn, at(11)).await.unwrap()[0].retired_at, Some(at(10)));
    // Pushed again, it is in use again; retired and deleted, it is not.
    let mut tx = world.store.begin().await.unwrap();
    sources::add_pack(&mut tx, &pack(2, 8)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(sources::packs(&mut conn, source.id).await.unwrap().len(), 2);
    retire(oid(2), at(12)).await;
    world.store.delete_retired_pack(source.id, oid(2), at(12)).await.unwrap();
    assert_eq!(sources::retired_packs(&mut conn, at(99)).await.unwrap().len(), 1, "not long enough ago");
    world.store.delete_retired_pack(source.id, oid(2), at(13)).await.unwrap();
    assert_eq!(sources::retired_packs(&mut conn, at(99)).await.unwrap(), []);
}

async fn the_deleted_leave_their_name_behind(world: &mut World) {
    let dora = world.user("dora").await;
    let token = world.token(dora.id, "t");
    let mut tx = world.store.begin().await.unwrap();
    tokens::add(&mut tx, &token).await.unwrap();
    users::delete(&mut tx, dora.id, at(70)).await.unwrap();
    let twice = users::delete(&mut tx, dora.id, at(71)).await;
    assert!(matches!(twice, Err(StoreError::Missing("user"))), "{twice:?}");
    tx.commit().await.unwrap();

    let mut conn = world.store.read().await.unwrap();
    assert_eq!(users::find_by_username(&mut conn, "dora").await.unwrap(), None);
    assert_eq!(users::find_by_id(&mut conn, dora.id).await.unwrap(), None);
    assert_eq!(tokens::find_by_hash(&mut conn, &token.hash).await.unwrap(), None);
    assert_eq!(tokens::list(&mut conn, dora.id).await.unwrap()[0].revoked_at, Some(at(70)));
    let again = world.person("dora");
    assert_eq!(refused(world, &again).await, Conflict::NameRetired { name: "dora".to_owned() });
    let like = world.person("d0ra");
    assert!(matches!(refused(world, &like).await, Conflict::LookAlike { .. }));
    // The address is free again.
    let mut other = world.person("eve");
    other.email = dora.email;
    let mut tx = world.store.begin().await.unwrap();
    users::add(&mut tx, &other).await.unwrap();
    tx.commit().await.unwrap();
}
