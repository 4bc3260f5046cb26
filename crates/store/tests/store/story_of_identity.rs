//! Ways in, and what is handed out: passwords, links, identities, sessions, tries. OAuth and devices are in
//! `story_of_oauth`.

use jiff::SignedDuration;
use skaas_domain::{
    device::Place,
    id::{CodeId, IdentityId, SessionId, SignInId, UserId},
    identity::{IdentityKey, IdentityRecord, Intent, MAX_GROUPS, ProviderKind, SignIn},
    secret::{Secret, SecretKind},
    session::Session,
};
use skaas_store::{
    Conflict, StoreError,
    budgets::{self, Budget, Spent},
    codes::{self, Code, CodeKind},
    identities, passwords, sessions, sign_ins, tokens, users,
};

use crate::world::{World, at};

pub(crate) async fn tell(world: &mut World) {
    passwords_are_set_replaced_and_removed(world).await;
    links_work_once_and_only_the_newest(world).await;
    a_link_mailed_again_works_for_as_long_as_the_first(world).await;
    addresses_are_verified_and_changed(world).await;
    identities_are_known_by_issuer_and_subject(world).await;
    sessions_open_until_revoked(world).await;
    sign_ins_come_back_once_in_their_own_browser(world).await;
    tries_run_out(world).await;
    the_deleted_have_no_way_in(world).await;
}

async fn revision(world: &World, user: UserId) -> i64 {
    world.store.revisions(user).await.unwrap().user
}

async fn passwords_are_set_replaced_and_removed(world: &mut World) {
    let user = world.user("pam").await.id;
    let before = revision(world, user).await;
    let mut tx = world.store.begin().await.unwrap();
    assert_eq!(passwords::find(&mut tx, user).await.unwrap(), None);
    passwords::set(&mut tx, user, "$argon2id$one", at(1)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(revision(world, user).await, before + 1);

    let mut tx = world.store.begin().await.unwrap();
    assert!(!passwords::replace(&mut tx, user, "$argon2id$other", "$argon2id$two").await.unwrap());
    assert!(passwords::replace(&mut tx, user, "$argon2id$one", "$argon2id$two").await.unwrap());
    let found = passwords::find(&mut tx, user).await.unwrap().unwrap();
    assert_eq!((found.hash.as_str(), found.changed_at), ("$argon2id$two", at(1)));
    assert!(!format!("{found:?}").contains("argon2id"));
    passwords::set(&mut tx, user, "$argon2id$three", at(2)).await.unwrap();
    assert_eq!(passwords::find(&mut tx, user).await.unwrap().unwrap().changed_at, at(2));
    assert!(passwords::remove(&mut tx, user).await.unwrap());
    assert!(!passwords::remove(&mut tx, user).await.unwrap());
    let nobody = UserId::new(at(0), &mut world.rng);
    let refusal = passwords::set(&mut tx, nobody, "x", at(2)).await;
    assert!(matches!(refusal, Err(StoreError::Missing("user"))), "{refusal:?}");
    tx.commit().await.unwrap();
}

fn code(world: &mut World, kind: CodeKind, user: UserId, made: i64) -> (Code, Secret) {
    let code = Code {
        id: CodeId::new(at(made), &mut world.rng),
        kind,
        user,
        sent_to: "pam@Example.com".to_owned(),
        created_at: at(made),
        expires_at: at(made + 60),
        used_at: None,
    };
    (code, Secret::generate(SecretKind::Link, &mut world.rng))
}

async fn links_work_once_and_only_the_newest(world: &mut World) {
    let user = find_user(world, "pam").await;
    let (first, lost) = code(world, CodeKind::Reset, user, 10);
    let (second, link) = code(world, CodeKind::Reset, user, 20);
    let (verify, other) = code(world, CodeKind::Verify, user, 20);
    let mut tx = world.store.begin().await.unwrap();
    codes::add(&mut tx, &first, &lost.hash()).await.unwrap();
    codes::add(&mut tx, &verify, &other.hash()).await.unwrap();
    codes::add(&mut tx, &second, &link.hash()).await.unwrap();
    tx.commit().await.unwrap();

    let mut conn = world.store.read().await.unwrap();
    assert_eq!(codes::find(&mut conn, CodeKind::Reset, &lost.hash(), at(21)).await.unwrap(), None);
    assert_eq!(codes::find(&mut conn, CodeKind::Verify, &link.hash(), at(21)).await.unwrap(), None);
    assert_eq!(codes::find(&mut conn, CodeKind::Reset, &link.hash(), at(80)).await.unwrap(), None);
    let found = codes::find(&mut conn, CodeKind::Reset, &link.hash(), at(79)).await.unwrap();
    assert_eq!(found.as_ref(), Some(&second));
    assert!(!format!("{found:?}").contains("pam@"));

    let mut tx = world.store.begin().await.unwrap();
    let redeem = async |tx: &mut skaas_store::Tx, kind, secret: &Secret, seconds| {
        codes::redeem(tx, kind, &secret.hash(), at(seconds)).await.unwrap()
    };
    assert_eq!(redeem(&mut tx, CodeKind::Reset, &lost, 21).await, None);
    assert_eq!(redeem(&mut tx, CodeKind::Verify, &link, 21).await, None);
    assert_eq!(redeem(&mut tx, CodeKind::Reset, &link, 80).await, None);
    assert_eq!(redeem(&mut tx, CodeKind::Reset, &link, 30).await.unwrap().used_at, Some(at(30)));
    assert_eq!(redeem(&mut tx, CodeKind::Reset, &link, 30).await, None);
    assert_eq!(redeem(&mut tx, CodeKind::Verify, &other, 30).await.unwrap().id, verify.id);
    assert_eq!(codes::forget(&mut tx, at(80)).await.unwrap(), 1, "the superseded one ended early");
    assert_eq!(codes::forget(&mut tx, at(81)).await.unwrap(), 2);

    let (reset, link) = code(world, CodeKind::Reset, user, 90);
    let (verify, other) = code(world, CodeKind::Verify, user, 90);
    codes::add(&mut tx, &reset, &link.hash()).await.unwrap();
    codes::add(&mut tx, &verify, &other.hash()).await.unwrap();
    assert_eq!(codes::end_all(&mut tx, find_user(world, "bob").await, at(91)).await.unwrap(), 0);
    assert!(codes::find(&mut tx, CodeKind::Reset, &link.hash(), at(91)).await.unwrap().is_some());
    assert_eq!(codes::end_all(&mut tx, user, at(91)).await.unwrap(), 2);
    assert_eq!(codes::find(&mut tx, CodeKind::Reset, &link.hash(), at(91)).await.unwrap(), None);
    assert_eq!(codes::find(&mut tx, CodeKind::Verify, &other.hash(), at(91)).await.unwrap(), None);
    assert_eq!(codes::end_all(&mut tx, user, at(91)).await.unwrap(), 0);
    tx.commit().await.unwrap();
}

async fn a_link_mailed_again_works_for_as_long_as_the_first(world: &mut World) {
    let user = find_user(world, "pam").await;
    let (first, lost) = code(world, CodeKind::Reset, user, 100);
    let (twin, link) = code(world, CodeKind::Reset, user, 110);
    let mut tx = world.store.begin().await.unwrap();
    codes::add(&mut tx, &first, &lost.hash()).await.unwrap();
    assert_eq!(codes::find_by_id(&mut tx, first.id, at(159)).await.unwrap().as_ref(), Some(&first));
    assert_eq!(codes::find_by_id(&mut tx, first.id, at(160)).await.unwrap(), None);
    assert_eq!(codes::find_by_id(&mut tx, twin.id, at(110)).await.unwrap(), None);

    assert!(codes::add_twin(&mut tx, &first, twin.id, &link.hash(), at(110)).await.unwrap());
    // The first mail may have arrived after all: both links work, until the same moment.
    for secret in [&lost, &link] {
        assert!(codes::find(&mut tx, CodeKind::Reset, &secret.hash(), at(159)).await.unwrap().is_some());
        assert_eq!(codes::find(&mut tx, CodeKind::Reset, &secret.hash(), at(160)).await.unwrap(), None);
    }
    codes::end_all(&mut tx, user, at(120)).await.unwrap();
    let (late, other) = code(world, CodeKind::Reset, user, 121);
    assert!(!codes::add_twin(&mut tx, &first, late.id, &other.hash(), at(121)).await.unwrap());
    assert_eq!(codes::find(&mut tx, CodeKind::Reset, &other.hash(), at(122)).await.unwrap(), None);
    codes::forget(&mut tx, at(200)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn find_user(world: &World, name: &str) -> UserId {
    let mut conn = world.store.read().await.unwrap();
    users::find_by_username(&mut conn, name).await.unwrap().unwrap().id
}

async fn addresses_are_verified_and_changed(world: &mut World) {
    let (user, bob) = (find_user(world, "pam").await, find_user(world, "bob").await);
    let mut tx = world.store.begin().await.unwrap();
    assert_eq!(users::email_verified_at(&mut tx, user).await.unwrap(), None);
    assert!(!users::verify_email(&mut tx, user, "old@example.com", at(1)).await.unwrap());
    assert!(users::verify_email(&mut tx, user, "PAM@example.com", at(2)).await.unwrap());
    assert!(users::verify_email(&mut tx, user, "pam@example.com", at(3)).await.unwrap());
    assert_eq!(users::email_verified_at(&mut tx, user).await.unwrap(), Some(at(2)));

    let taken = users::change_email(&mut tx, user, "BOB@example.com", None).await;
    assert!(matches!(taken, Err(StoreError::Conflict(Conflict::EmailTaken))), "{taken:?}");
    users::change_email(&mut tx, user, "Pam@new.example", None).await.unwrap();
    assert_eq!(users::email_verified_at(&mut tx, user).await.unwrap(), None);
    let found = users::find_by_email(&mut tx, "pam@NEW.example").await.unwrap().unwrap();
    assert_eq!((found.id, found.email.as_str()), (user, "Pam@new.example"));
    // One's own address in other letters is no conflict.
    users::change_email(&mut tx, user, "pam@new.example", Some(at(4))).await.unwrap();
    assert_eq!(users::email_verified_at(&mut tx, user).await.unwrap(), Some(at(4)));
    assert_eq!(users::email_verified_at(&mut tx, bob).await.unwrap(), None);
    tx.commit().await.unwrap();
}

fn identity(world: &mut World, user: UserId, subject: &str) -> IdentityRecord {
    IdentityRecord {
        id: IdentityId::new(at(5), &mut world.rng),
        user,
        provider: ProviderKind::Oidc("keycloak".to_owned()),
        key: IdentityKey { issuer: "https://id.example/".to_owned(), subject: subject.to_owned() },
        email: Some("bob@example.com".to_owned()),
        name: None,
        groups: vec!["g1".to_owned(), "Größe \"x\"".to_owned()],
        linked_at: at(5),
        last_used_at: at(5),
    }
}

async fn identities_are_known_by_issuer_and_subject(world: &mut World) {
    let (pam, bob) = (find_user(world, "pam").await, find_user(world, "bob").await);
    let mine = identity(world, pam, "42");
    let mut tx = world.store.begin().await.unwrap();
    identities::add(&mut tx, &mine).await.unwrap();
    let thief = identity(world, bob, "42");
    let taken = identities::add(&mut tx, &thief).await;
    assert!(matches!(taken, Err(StoreError::Conflict(Conflict::IdentityTaken))), "{taken:?}");
    // The same address from the same provider under another subject is somebody else.
    let theirs = identity(world, bob, "43");
    identities::add(&mut tx, &theirs).await.unwrap();
    tx.commit().await.unwrap();

    let mut conn = world.store.read().await.unwrap();
    assert_eq!(identities::find_by_key(&mut conn, &mine.key).await.unwrap().as_ref(), Some(&mine));
    let elsewhere = IdentityKey { issuer: "https://id.example".to_owned(), subject: "42".to_owned() };
    assert_eq!(identities::find_by_key(&mut conn, &elsewhere).await.unwrap(), None);
    assert_eq!(identities::find(&mut conn, pam, mine.id).await.unwrap().as_ref(), Some(&mine));
    assert_eq!(identities::find(&mut conn, bob, mine.id).await.unwrap(), None);
    assert_eq!(identities::list(&mut conn, pam).await.unwrap(), std::slice::from_ref(&mine));

    let before = revision(world, pam).await;
    let groups: Vec<String> = (0..=MAX_GROUPS).map(|n| format!("g{n}")).collect();
    let mut tx = world.store.begin().await.unwrap();
    let fresh = identities::refresh(&mut tx, &mine, None, Some("Pam Ω"), &groups, at(6)).await.unwrap();
    assert_eq!((fresh.email.as_deref(), fresh.name.as_deref()), (None, Some("Pam Ω")));
    assert_eq!((fresh.groups.len(), fresh.last_used_at, fresh.linked_at), (MAX_GROUPS, at(6), at(5)));
    assert_eq!(identities::remove(&mut tx, bob, mine.id).await.unwrap(), None);
    assert_eq!(identities::remove(&mut tx, pam, mine.id).await.unwrap(), Some(fresh.clone()));
    let gone = identities::refresh(&mut tx, &fresh, None, None, &[], at(7)).await;
    assert!(matches!(gone, Err(StoreError::Missing("identity"))), "{gone:?}");
    tx.commit().await.unwrap();
    assert_eq!(revision(world, pam).await, before + 1);
}

fn session(world: &mut World, user: UserId, made: i64) -> (Session, Secret) {
    let id = SessionId::new(at(made), &mut world.rng);
    let session = Session::begin(id, user, Place::new("192.0.2.9", "Firefox"), at(made));
    (session, Secret::generate(SecretKind::Session, &mut world.rng))
}

async fn sessions_open_until_revoked(world: &mut World) {
    let user = find_user(world, "pam").await;
    let (laptop, cookie) = session(world, user, 1);
    let (phone, other) = session(world, user, 2);
    let (old, third) = session(world, user, 3);
    let mut tx = world.store.begin().await.unwrap();
    for (session, secret) in [(&laptop, &cookie), (&phone, &other), (&old, &third)] {
        sessions::add(&mut tx, session, &secret.hash()).await.unwrap();
    }
    sessions::touch(&mut tx, &[(laptop.id, at(50)), (phone.id, at(60)), (laptop.id, at(70))]).await.unwrap();
    sessions::touch(&mut tx, &[(laptop.id, at(65))]).await.unwrap();
    tx.commit().await.unwrap();

    let mut conn = world.store.read().await.unwrap();
    let found = sessions::find_by_hash(&mut conn, &cookie.hash()).await.unwrap().unwrap();
    assert_eq!((found.session.seen_at, found.user.username.as_str()), (at(70), "pam"));
    assert_eq!((found.session.place, found.revision), (laptop.place.clone(), revision(world, user).await));
    let phones = sessions::find(&mut conn, user, phone.id).await.unwrap().unwrap();
    assert_eq!((phones.id, phones.seen_at), (phone.id, at(60)));
    let stranger = find_user(world, "bob").await;
    assert_eq!(sessions::find(&mut conn, stranger, phone.id).await.unwrap(), None, "a session of hers");
    let listed = async |conn: &mut skaas_store::Conn, now| {
        let found = sessions::list(conn, user, now).await.unwrap();
        found.into_iter().map(|session| session.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(&mut conn, at(70)).await, [laptop.id, phone.id, old.id]);
    let idle = at(3) + skaas_domain::session::IDLE;
    assert_eq!(listed(&mut conn, idle).await, [laptop.id, phone.id], "as the domain says it works");
    assert_eq!(listed(&mut conn, at(70) + skaas_domain::session::ABSOLUTE).await, []);

    // A new secret in place of the old one: the old cookie is worth nothing.
    let fresh = Secret::generate(SecretKind::Session, &mut world.rng);
    let before = revision(world, user).await;
    let mut tx = world.store.begin().await.unwrap();
    assert!(!sessions::rotate(&mut tx, user, laptop.id, &other.hash(), &fresh.hash()).await.unwrap());
    assert!(sessions::rotate(&mut tx, user, laptop.id, &cookie.hash(), &fresh.hash()).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(revision(world, user).await, before + 1);
    assert_eq!(sessions::find_by_hash(&mut conn, &cookie.hash()).await.unwrap(), None);
    assert!(sessions::find_by_hash(&mut conn, &fresh.hash()).await.unwrap().is_some());

    let bob = find_user(world, "bob").await;
    let mut tx = world.store.begin().await.unwrap();
    assert_eq!(sessions::revoke(&mut tx, bob, phone.id, at(80)).await.unwrap(), None);
    let revoked = sessions::revoke(&mut tx, user, phone.id, at(80)).await.unwrap().unwrap();
    assert_eq!(revoked.revoked_at, Some(at(80)));
    let again = sessions::revoke(&mut tx, user, phone.id, at(90)).await.unwrap().unwrap();
    assert_eq!(again.revoked_at, Some(at(80)));
    assert_eq!(sessions::revoke_others(&mut tx, user, Some(laptop.id), at(81)).await.unwrap(), 1);
    tx.commit().await.unwrap();
    assert_eq!(revision(world, user).await, before + 2, "every node sees it at the next request");
    assert_eq!(listed(&mut conn, at(82)).await, [laptop.id]);
    let mut tx = world.store.begin().await.unwrap();
    assert_eq!(sessions::revoke_others(&mut tx, user, None, at(83)).await.unwrap(), 1);
    assert_eq!(sessions::forget(&mut tx, at(61)).await.unwrap(), 2);
    tx.commit().await.unwrap();
}

async fn sign_ins_come_back_once_in_their_own_browser(world: &mut World) {
    let user = find_user(world, "pam").await;
    for intent in [Intent::SignIn, Intent::Link(user)] {
        let sign_in = SignIn {
            id: SignInId::new(at(1), &mut world.rng),
            provider: ProviderKind::Entra,
            nonce: "nonce".to_owned(),
            verifier: "a verifier".to_owned(),
            intent,
            return_to: "/account".to_owned(),
            created_at: at(1),
            expires_at: at(601),
        };
        assert!(!format!("{sign_in:?}").contains("verifier"));
        let state = Secret::generate(SecretKind::SignInState, &mut world.rng).hash();
        let browser = Secret::generate(SecretKind::Browser, &mut world.rng).hash();
        let stranger = Secret::generate(SecretKind::Browser, &mut world.rng).hash();
        let mut tx = world.store.begin().await.unwrap();
        sign_ins::add(&mut tx, &sign_in, &state, &browser).await.unwrap();
        assert_eq!(sign_ins::redeem(&mut tx, &state, &stranger, at(2)).await.unwrap(), None);
        assert_eq!(sign_ins::redeem(&mut tx, &browser, &browser, at(2)).await.unwrap(), None);
        assert_eq!(sign_ins::redeem(&mut tx, &state, &browser, at(601)).await.unwrap(), None);
        assert_eq!(sign_ins::redeem(&mut tx, &state, &browser, at(600)).await.unwrap(), Some(sign_in));
        assert_eq!(sign_ins::redeem(&mut tx, &state, &browser, at(600)).await.unwrap(), None);
        assert_eq!(sign_ins::forget(&mut tx, at(601)).await.unwrap(), 0);
        assert_eq!(sign_ins::forget(&mut tx, at(602)).await.unwrap(), 1);
        tx.commit().await.unwrap();
    }
}

async fn tries_run_out(world: &mut World) {
    let budget = Budget { name: "sign_in_account", limit: 3, window: SignedDuration::from_mins(10) };
    let other = Budget { name: "sign_in_address", ..budget };
    let mut tx = world.store.begin().await.unwrap();
    assert_eq!(budgets::left(&mut tx, &budget, "pam", at(0)).await.unwrap(), Spent::Left(3));
    for left in [2, 1, 0] {
        assert_eq!(budgets::spend(&mut tx, &budget, "pam", at(1)).await.unwrap(), Spent::Left(left));
    }
    let Spent::Exhausted { until } = budgets::spend(&mut tx, &budget, "pam", at(2)).await.unwrap() else {
        panic!("a fourth try of three");
    };
    assert!(until > at(2) && until <= at(2) + budget.window, "{until}");
    assert_eq!(budgets::left(&mut tx, &budget, "pam", at(2)).await.unwrap(), Spent::Exhausted { until });
    // Each for themselves, each in its own window.
    assert_eq!(budgets::spend(&mut tx, &budget, "bob", at(2)).await.unwrap(), Spent::Left(2));
    assert_eq!(budgets::spend(&mut tx, &other, "pam", at(2)).await.unwrap(), Spent::Left(2));
    assert_eq!(budgets::spend(&mut tx, &budget, "pam", until).await.unwrap(), Spent::Left(2));
    budgets::clear(&mut tx, &budget, "pam").await.unwrap();
    assert_eq!(budgets::left(&mut tx, &budget, "pam", at(2)).await.unwrap(), Spent::Left(3));
    assert_eq!(budgets::forget(&mut tx, until).await.unwrap(), 0);
    assert_eq!(budgets::forget(&mut tx, until + SignedDuration::from_secs(1)).await.unwrap(), 2);
    tx.commit().await.unwrap();
}

async fn the_deleted_have_no_way_in(world: &mut World) {
    let user = world.user("zoe").await.id;
    let identity = identity(world, user, "zoe");
    let (session, cookie) = session(world, user, 1);
    let (reset, link) = code(world, CodeKind::Reset, user, 1);
    let token = world.token(user, "t");
    let mut tx = world.store.begin().await.unwrap();
    passwords::set(&mut tx, user, "$argon2id$x", at(1)).await.unwrap();
    identities::add(&mut tx, &identity).await.unwrap();
    sessions::add(&mut tx, &session, &cookie.hash()).await.unwrap();
    codes::add(&mut tx, &reset, &link.hash()).await.unwrap();
    tokens::add(&mut tx, &token).await.unwrap();
    users::delete(&mut tx, user, at(2)).await.unwrap();
    tx.commit().await.unwrap();

    let mut conn = world.store.read().await.unwrap();
    assert_eq!(passwords::find(&mut conn, user).await.unwrap(), None);
    assert_eq!(identities::find_by_key(&mut conn, &identity.key).await.unwrap(), None);
    assert_eq!(sessions::find_by_hash(&mut conn, &cookie.hash()).await.unwrap(), None);
    assert_eq!(sessions::list(&mut conn, user, at(2)).await.unwrap(), []);
    assert_eq!(codes::find(&mut conn, CodeKind::Reset, &link.hash(), at(2)).await.unwrap(), None);
    assert_eq!(users::email_verified_at(&mut conn, user).await.unwrap(), None);
    drop(conn);
    // Their identity may be somebody's again.
    let bob = find_user(world, "bob").await;
    let mut tx = world.store.begin().await.unwrap();
    identities::add(&mut tx, &IdentityRecord { user: bob, ..identity }).await.unwrap();
    tx.commit().await.unwrap();
}
