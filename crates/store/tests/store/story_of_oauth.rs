//! Devices and OAuth: asked for, allowed, redeemed, refreshed, taken back.

use jiff::{SignedDuration, Timestamp};
use skaas_domain::{
    device::{DeviceAuthorization, DeviceRecord, Place, Polled, UserCode},
    id::{DeviceId, OauthClientId, OauthGrantId, OauthTokenId, UserId},
    oauth::{Challenge, Client, GrantType, OauthCode, OauthGrant},
    scope::Scopes,
    secret::{Secret, SecretHash, SecretKind},
};
use skaas_store::{
    Conflict, StoreError, Tx,
    devices::{self, DeviceHashes},
    oauth_clients, oauth_codes,
    oauth_codes::Redeemed,
    oauth_grants,
    oauth_tokens::{self, NewToken, NewTokens, Rotation},
    users,
};

use crate::world::{World, at};

pub(crate) async fn tell(world: &mut World) {
    devices_are_let_in_once(world).await;
    what_is_denied_or_late_stays_so(world).await;
    clients_come_and_go(world).await;
    a_code_is_redeemed_once_and_a_replay_costs_the_grant(world).await;
    each_holder_of_a_refresh_token_gets_tokens_for_30_seconds_and_later_reuse_revokes_the_grant(world).await;
    no_token_outlives_its_grant_and_a_narrower_one_has_its_own_scopes(world).await;
    what_is_taken_back_stops_at_once(world).await;
    what_has_ended_is_forgotten(world).await;
}

async fn find_user(world: &World, name: &str) -> UserId {
    let mut conn = world.store.read().await.unwrap();
    users::find_by_username(&mut conn, name).await.unwrap().unwrap().id
}

/// A device authorization of second `made`, pending.
pub(crate) fn device(world: &mut World, made: i64) -> (DeviceRecord, DeviceHashes) {
    let record = DeviceRecord {
        id: DeviceId::new(at(made), &mut world.rng),
        client_id: "skaas-cli".to_owned(),
        client_name: "skaas on „laptop“".to_owned(),
        scopes: Scopes::full(),
        resource: Some("https://skaas.example/mcp".to_owned()),
        place: Place::new("2001:db8::1", "skaas/0.1"),
        state: DeviceAuthorization::Pending,
        created_at: at(made),
        expires_at: at(made + 900),
        interval_s: 5,
        polled_at: None,
    };
    let hashes = DeviceHashes {
        device_code: Secret::generate(SecretKind::DeviceCode, &mut world.rng).hash(),
        user_code: UserCode::generate(&mut world.rng).hash(),
        handle: Some(Secret::generate(SecretKind::Handle, &mut world.rng).hash()),
    };
    (record, hashes)
}

async fn devices_are_let_in_once(world: &mut World) {
    let user = find_user(world, "bob").await;
    let (record, hashes) = device(world, 0);
    let mut tx = world.store.begin().await.unwrap();
    devices::add(&mut tx, &record, &hashes).await.unwrap();
    let (twin, others) = device(world, 0);
    let same_code = DeviceHashes { user_code: hashes.user_code, ..others };
    let refusal = devices::add(&mut tx, &twin, &same_code).await;
    assert!(matches!(refusal, Err(StoreError::Conflict(Conflict::CodeTaken))), "{refusal:?}");
    assert_eq!(devices::find(&mut tx, record.id).await.unwrap().as_ref(), Some(&record));
    assert_eq!(devices::find(&mut tx, twin.id).await.unwrap(), None);
    let by_device = devices::find_by_device_code(&mut tx, &hashes.device_code).await.unwrap();
    let by_user = devices::find_by_user_code(&mut tx, &hashes.user_code).await.unwrap();
    let by_handle = devices::find_by_handle(&mut tx, &hashes.handle.unwrap()).await.unwrap();
    assert_eq!(
        [by_device, by_user, by_handle],
        [const { None }; 3].map(|_: Option<()>| Some(record.clone()))
    );
    // No code opens what another is for.
    assert_eq!(devices::find_by_device_code(&mut tx, &hashes.user_code).await.unwrap(), None);
    assert_eq!(devices::find_by_user_code(&mut tx, &hashes.device_code).await.unwrap(), None);

    // Whoever polls too early waits longer each time.
    let mut poll = async |seconds| devices::poll(&mut tx, record.id, at(seconds)).await.unwrap().unwrap();
    assert_eq!(poll(1).await, Polled::Pending);
    assert_eq!(poll(2).await, Polled::SlowDown { interval_s: 10 });
    assert_eq!(poll(8).await, Polled::SlowDown { interval_s: 15 });
    assert_eq!(poll(23).await, Polled::Pending);
    assert_eq!(devices::poll(&mut tx, twin.id, at(1)).await.unwrap(), None);

    assert_eq!(devices::redeem(&mut tx, record.id, at(30)).await.unwrap(), None, "nobody has agreed");
    let scopes: Scopes = "marketplaces mcp".parse().unwrap();
    let approved = devices::approve(&mut tx, record.id, user, &scopes, at(31)).await.unwrap().unwrap();
    let expected = DeviceAuthorization::Approved { by: user, scopes: scopes.clone(), at: at(31) };
    assert_eq!((approved.state, approved.interval_s), (expected, 15));
    assert_eq!(devices::approve(&mut tx, record.id, user, &Scopes::full(), at(32)).await.unwrap(), None);
    assert_eq!(devices::deny(&mut tx, record.id, user, at(32)).await.unwrap(), None);
    let polled = devices::poll(&mut tx, record.id, at(32)).await.unwrap();
    assert_eq!(polled, Some(Polled::Approved { by: user, scopes: scopes.clone() }));
    let redeemed = devices::redeem(&mut tx, record.id, at(33)).await.unwrap().unwrap();
    assert_eq!(redeemed.state, DeviceAuthorization::Redeemed { by: user, scopes, at: at(33) });
    assert_eq!(devices::redeem(&mut tx, record.id, at(33)).await.unwrap(), None);
    assert_eq!(devices::poll(&mut tx, record.id, at(34)).await.unwrap(), Some(Polled::Redeemed));
    tx.commit().await.unwrap();
}

async fn what_is_denied_or_late_stays_so(world: &mut World) {
    let user = find_user(world, "bob").await;
    let (denied, hashes) = device(world, 0);
    let (late, others) = device(world, 0);
    let (unclaimed, more) = device(world, 0);
    let mut tx = world.store.begin().await.unwrap();
    devices::add(&mut tx, &denied, &hashes).await.unwrap();
    devices::add(&mut tx, &late, &others).await.unwrap();
    devices::add(&mut tx, &unclaimed, &DeviceHashes { handle: None, ..more }).await.unwrap();
    let answer = devices::deny(&mut tx, denied.id, user, at(1)).await.unwrap().unwrap();
    assert_eq!(answer.state, DeviceAuthorization::Denied { by: user, at: at(1) });
    assert_eq!(devices::approve(&mut tx, denied.id, user, &Scopes::full(), at(2)).await.unwrap(), None);
    assert_eq!(devices::poll(&mut tx, denied.id, at(3)).await.unwrap(), Some(Polled::Denied));

    assert_eq!(devices::approve(&mut tx, late.id, user, &Scopes::full(), at(900)).await.unwrap(), None);
    assert_eq!(devices::deny(&mut tx, late.id, user, at(900)).await.unwrap(), None);
    assert_eq!(devices::poll(&mut tx, late.id, at(900)).await.unwrap(), Some(Polled::Expired));
    // Agreed to in time, but never come for.
    devices::approve(&mut tx, unclaimed.id, user, &Scopes::full(), at(899)).await.unwrap().unwrap();
    assert_eq!(devices::redeem(&mut tx, unclaimed.id, at(900)).await.unwrap(), None);
    tx.commit().await.unwrap();

    // What was approved under a password that is changed is collected by nobody.
    let (approved, hashes) = device(world, 0);
    let mut tx = world.store.begin().await.unwrap();
    devices::add(&mut tx, &approved, &hashes).await.unwrap();
    devices::approve(&mut tx, approved.id, user, &Scopes::full(), at(1)).await.unwrap().unwrap();
    let withdrawn = devices::withdraw_approved(&mut tx, user, at(2)).await.unwrap();
    assert!(withdrawn >= 1, "{withdrawn}");
    assert_eq!(devices::withdraw_approved(&mut tx, user, at(2)).await.unwrap(), 0);
    assert_eq!(devices::redeem(&mut tx, approved.id, at(3)).await.unwrap(), None);
    assert_eq!(devices::poll(&mut tx, approved.id, at(3)).await.unwrap(), Some(Polled::Denied));
    tx.commit().await.unwrap();

    // Who agreed and was deleted gets nothing.
    let dan = world.user("dan").await.id;
    let (theirs, hashes) = device(world, 0);
    let mut tx = world.store.begin().await.unwrap();
    devices::add(&mut tx, &theirs, &hashes).await.unwrap();
    devices::approve(&mut tx, theirs.id, dan, &Scopes::full(), at(1)).await.unwrap().unwrap();
    users::delete(&mut tx, dan, at(2)).await.unwrap();
    assert_eq!(devices::redeem(&mut tx, theirs.id, at(3)).await.unwrap(), None);
    tx.commit().await.unwrap();
}

fn client(world: &mut World, client_id: &str) -> Client {
    Client {
        id: OauthClientId::new(at(0), &mut world.rng),
        client_id: client_id.to_owned(),
        name: "Inspector".to_owned(),
        redirect_uris: vec!["http://127.0.0.1/cb".to_owned()],
        grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        metadata: serde_json::json!({"client_uri": "https://app.example", "n": [1, null]}),
        created_at: at(0),
        last_used_at: None,
    }
}

async fn clients_come_and_go(world: &mut World) {
    let registered = client(world, "ocl_inspector");
    let idle = client(world, "ocl_idle");
    let document = client(world, "https://app.example/client.json");
    let mut tx = world.store.begin().await.unwrap();
    for client in [&registered, &idle] {
        oauth_clients::add(&mut tx, client).await.unwrap();
    }
    let twin = client(world, "ocl_inspector");
    let refusal = oauth_clients::add(&mut tx, &twin).await;
    assert!(matches!(refusal, Err(StoreError::Conflict(Conflict::ClientTaken))), "{refusal:?}");
    assert_eq!(oauth_clients::find(&mut tx, "ocl_inspector").await.unwrap().as_ref(), Some(&registered));
    assert_eq!(oauth_clients::find(&mut tx, "other").await.unwrap(), None);

    assert_eq!(oauth_clients::put(&mut tx, &document).await.unwrap(), document);
    let mut newer = client(world, "https://app.example/client.json");
    newer.redirect_uris = vec!["https://app.example/cb".to_owned()];
    newer.created_at = at(9);
    let stands = oauth_clients::put(&mut tx, &newer).await.unwrap();
    assert_eq!((stands.id, stands.created_at), (document.id, at(0)));
    assert_eq!(stands.redirect_uris, newer.redirect_uris);

    oauth_clients::touch(&mut tx, "ocl_inspector", at(50)).await.unwrap();
    oauth_clients::touch(&mut tx, "ocl_inspector", at(40)).await.unwrap();
    assert_eq!(oauth_clients::forget_unused(&mut tx, at(10)).await.unwrap(), 2);
    let kept = oauth_clients::find(&mut tx, "ocl_inspector").await.unwrap().unwrap();
    assert_eq!(kept.last_used_at, Some(at(50)));
    assert_eq!(oauth_clients::find(&mut tx, "ocl_idle").await.unwrap(), None);
    tx.commit().await.unwrap();
}

/// A grant of the user to the client `ocl_inspector`, not added yet.
pub(crate) fn grant(world: &mut World, user: UserId) -> OauthGrant {
    OauthGrant {
        id: OauthGrantId::new(at(1), &mut world.rng),
        user,
        client_id: "ocl_inspector".to_owned(),
        scopes: "mcp".parse().unwrap(),
        resource: Some("https://skaas.example/mcp".to_owned()),
        created_at: at(1),
        expires_at: Some(at(200_000)),
        revoked_at: None,
    }
}

/// Registers the client that [`grant`] is for.
pub(crate) async fn add_client(world: &mut World) {
    let client = client(world, "ocl_inspector");
    let mut tx = world.store.begin().await.unwrap();
    oauth_clients::add(&mut tx, &client).await.unwrap();
    tx.commit().await.unwrap();
}

/// Tokens made at second `made`: for an hour, and for a day.
pub(crate) fn tokens(world: &mut World, made: i64) -> NewTokens {
    let mut token = |kind, lasts: i64| NewToken {
        id: OauthTokenId::new(at(made), &mut world.rng),
        hash: Secret::generate(kind, &mut world.rng).hash(),
        expires_at: at(made + lasts),
    };
    let access = token(SecretKind::AccessToken, 3600);
    NewTokens { access, refresh: Some(token(SecretKind::RefreshToken, 86400)) }
}

fn refresh_hash(tokens: &NewTokens) -> SecretHash {
    tokens.refresh.unwrap().hash
}

async fn a_code_is_redeemed_once_and_a_replay_costs_the_grant(world: &mut World) {
    let user = find_user(world, "bob").await;
    let grant = grant(world, user);
    let code = OauthCode {
        grant: grant.id,
        redirect_uri: "http://127.0.0.1:5000/cb".to_owned(),
        challenge: Challenge::of("x"),
        created_at: at(1),
        expires_at: at(61),
        used_at: None,
    };
    let hash = Secret::generate(SecretKind::OauthCode, &mut world.rng).hash();
    let late = Secret::generate(SecretKind::OauthCode, &mut world.rng).hash();
    let given = tokens(world, 2);
    let mut tx = world.store.begin().await.unwrap();
    oauth_grants::add(&mut tx, &grant).await.unwrap();
    oauth_codes::add(&mut tx, &code, &hash).await.unwrap();
    oauth_codes::add(&mut tx, &code, &late).await.unwrap();
    assert_eq!(oauth_codes::redeem(&mut tx, &given.access.hash, at(2)).await.unwrap(), Redeemed::Unknown);
    assert_eq!(oauth_codes::redeem(&mut tx, &late, at(61)).await.unwrap(), Redeemed::Unknown);
    let redeemed = oauth_codes::redeem(&mut tx, &hash, at(2)).await.unwrap();
    let spent = OauthCode { used_at: Some(at(2)), ..code.clone() };
    assert_eq!(redeemed, Redeemed::Redeemed(Box::new(spent), Box::new(grant.clone())));
    oauth_tokens::issue(&mut tx, &grant, &given, at(2)).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = world.store.begin().await.unwrap();
    let bearer = oauth_tokens::find_access(&mut tx, &given.access.hash).await.unwrap().unwrap();
    assert!(bearer.works(at(3)) && !bearer.works(at(3602)));
    assert_eq!((&bearer.grant, bearer.user.id, bearer.token.generation), (&grant, user, 0));
    assert_eq!(oauth_tokens::find_access(&mut tx, &refresh_hash(&given)).await.unwrap(), None);
    assert_eq!(oauth_codes::redeem(&mut tx, &hash, at(3)).await.unwrap(), Redeemed::Reused(grant.id));
    tx.commit().await.unwrap();
    let mut conn = world.store.read().await.unwrap();
    let bearer = oauth_tokens::find_access(&mut conn, &given.access.hash).await.unwrap().unwrap();
    assert!(!bearer.works(at(3)));
    assert_eq!(bearer.revision, world.store.revisions(user).await.unwrap().user);
    drop(conn);
    // A code of a grant that was taken back before it was redeemed gives nothing.
    let mut tx = world.store.begin().await.unwrap();
    assert_eq!(oauth_codes::redeem(&mut tx, &late, at(4)).await.unwrap(), Redeemed::Unknown);
    tx.commit().await.unwrap();
}

/// A grant with its first tokens, given at second 100.
pub(crate) async fn granted(world: &mut World, user: UserId) -> (OauthGrant, NewTokens) {
    let (grant, first) = (grant(world, user), tokens(world, 100));
    let mut tx = world.store.begin().await.unwrap();
    oauth_grants::add(&mut tx, &grant).await.unwrap();
    oauth_tokens::issue(&mut tx, &grant, &first, at(100)).await.unwrap();
    tx.commit().await.unwrap();
    (grant, first)
}

async fn rotate(tx: &mut Tx, old: &NewTokens, new: &NewTokens, now: Timestamp) -> Rotation {
    oauth_tokens::rotate(tx, &refresh_hash(old), "ocl_inspector", new, None, now).await.unwrap()
}

async fn works(tx: &mut Tx, tokens: &NewTokens, now: Timestamp) -> bool {
    oauth_tokens::find_access(tx, &tokens.access.hash).await.unwrap().is_some_and(|bearer| bearer.works(now))
}

async fn each_holder_of_a_refresh_token_gets_tokens_for_30_seconds_and_later_reuse_revokes_the_grant(
    world: &mut World,
) {
    let user = find_user(world, "bob").await;
    let (grant, first) = granted(world, user).await;
    let [second, beside, third, fourth, stolen] = [200, 230, 231, 232, 240].map(|made| tokens(world, made));
    let mut tx = world.store.begin().await.unwrap();
    let foreign = oauth_tokens::rotate(&mut tx, &refresh_hash(&first), "other", &second, None, at(200)).await;
    assert_eq!(foreign.unwrap(), Rotation::Unknown);
    let with_access =
        oauth_tokens::rotate(&mut tx, &first.access.hash, "ocl_inspector", &second, None, at(200)).await;
    assert_eq!(with_access.unwrap(), Rotation::Unknown);
    assert_eq!(rotate(&mut tx, &first, &second, at(200)).await, Rotation::Rotated(grant.clone()));
    // That the first answer arrived and was used makes no difference.
    oauth_tokens::touch(&mut tx, &[(second.access.id, at(205)), (first.access.id, at(1))]).await.unwrap();
    assert_eq!(rotate(&mut tx, &first, &beside, at(230)).await, Rotation::Overlapped(grant.clone()));
    // Both holders go on from there, each for itself.
    assert_eq!(rotate(&mut tx, &second, &third, at(231)).await, Rotation::Rotated(grant.clone()));
    assert_eq!(rotate(&mut tx, &beside, &fourth, at(290)).await, Rotation::Rotated(grant.clone()));
    for tokens in [&first, &second, &beside, &third, &fourth] {
        assert!(works(&mut tx, tokens, at(291)).await, "an access token lasts for its hour");
    }
    // 30 seconds count from the first use, not from the last.
    assert_eq!(rotate(&mut tx, &first, &stolen, at(231)).await, Rotation::Reused(grant.id));
    for tokens in [&first, &second, &beside, &third, &fourth, &stolen] {
        assert!(!works(&mut tx, tokens, at(292)).await);
    }
    assert_eq!(rotate(&mut tx, &fourth, &stolen, at(293)).await, Rotation::Unknown);
    let tired = tokens(world, 0);
    assert_eq!(rotate(&mut tx, &tired, &third, at(212)).await, Rotation::Unknown);
    tx.commit().await.unwrap();
    let (_, first) = granted(world, user).await;
    let mut tx = world.store.begin().await.unwrap();
    let expired = at(100) + SignedDuration::from_hours(24);
    assert_eq!(rotate(&mut tx, &first, &third, expired).await, Rotation::Unknown);
    tx.commit().await.unwrap();
}

async fn no_token_outlives_its_grant_and_a_narrower_one_has_its_own_scopes(world: &mut World) {
    let user = find_user(world, "bob").await;
    let (mut grant, first) = (grant(world, user), tokens(world, 100));
    grant.scopes = "account mcp".parse().unwrap();
    grant.expires_at = Some(at(1000));
    let [second, third] = [900, 901].map(|made| tokens(world, made));
    let mut tx = world.store.begin().await.unwrap();
    oauth_grants::add(&mut tx, &grant).await.unwrap();
    oauth_tokens::issue(&mut tx, &grant, &first, at(100)).await.unwrap();
    let narrowed: Scopes = "mcp".parse().unwrap();
    let hash = refresh_hash(&first);
    let rotated =
        oauth_tokens::rotate(&mut tx, &hash, "ocl_inspector", &second, Some(&narrowed), at(900)).await;
    assert_eq!(rotated.unwrap(), Rotation::Rotated(grant.clone()));
    let bearer = oauth_tokens::find_access(&mut tx, &second.access.hash).await.unwrap().unwrap();
    assert_eq!((bearer.scopes(), &bearer.grant), (&narrowed, &grant));
    // The refresh token still has all that was granted.
    assert_eq!(rotate(&mut tx, &second, &third, at(999)).await, Rotation::Rotated(grant.clone()));
    let bearer = oauth_tokens::find_access(&mut tx, &third.access.hash).await.unwrap().unwrap();
    assert_eq!(bearer.scopes(), &grant.scopes);
    assert_eq!((bearer.token.expires_at, bearer.works(at(999))), (at(1000), true));
    for tokens in [&first, &second, &third] {
        assert!(!works(&mut tx, tokens, at(1000)).await);
    }
    assert_eq!(rotate(&mut tx, &third, &first, at(1000)).await, Rotation::Unknown);
    let listed = oauth_grants::list(&mut tx, user, at(1000)).await.unwrap();
    assert!(listed.iter().all(|listed| listed.grant.id != grant.id), "{listed:?}");
    tx.commit().await.unwrap();
}

async fn what_is_taken_back_stops_at_once(world: &mut World) {
    let user = find_user(world, "bob").await;
    let mut tx = world.store.begin().await.unwrap();
    oauth_grants::revoke_all(&mut tx, user, at(100)).await.unwrap();
    tx.commit().await.unwrap();
    let (one, first) = granted(world, user).await;
    let (two, second) = granted(world, user).await;
    let (three, third) = granted(world, user).await;
    let mut tx = world.store.begin().await.unwrap();
    oauth_tokens::touch(&mut tx, &[(first.access.id, at(140)), (first.access.id, at(130))]).await.unwrap();
    let listed = oauth_grants::list(&mut tx, user, at(150)).await.unwrap();
    assert_eq!(listed.len(), 3);
    let of_one = listed.iter().find(|listed| listed.grant == one).unwrap();
    assert_eq!((of_one.client_name.as_str(), of_one.last_used_at), ("Inspector", Some(at(140))));
    let client = oauth_clients::find(&mut tx, &one.client_id).await.unwrap().unwrap();
    assert!(!client.redirect_uris.is_empty() && of_one.redirect_uris == client.redirect_uris);
    assert_eq!(oauth_grants::list(&mut tx, user, at(100_000)).await.unwrap(), []);

    // By its owner; another's is not there.
    let alice = find_user_in(&mut tx, "alice").await;
    assert_eq!(oauth_grants::revoke(&mut tx, alice, one.id, at(150)).await.unwrap(), None);
    oauth_grants::revoke(&mut tx, user, one.id, at(150)).await.unwrap().unwrap();
    let again = oauth_grants::revoke(&mut tx, user, one.id, at(160)).await.unwrap().unwrap();
    assert_eq!(again.revoked_at, Some(at(150)));
    assert!(!works(&mut tx, &first, at(151)).await && works(&mut tx, &second, at(151)).await);

    // By the client (RFC 7009): an access token alone, a refresh token with everything.
    let revoke = oauth_tokens::revoke(&mut tx, &second.access.hash, "other", at(152)).await;
    assert_eq!(revoke.unwrap(), None);
    assert!(works(&mut tx, &second, at(152)).await);
    let revoke = oauth_tokens::revoke(&mut tx, &second.access.hash, "ocl_inspector", at(152)).await;
    assert_eq!(revoke.unwrap(), Some(user));
    assert!(!works(&mut tx, &second, at(152)).await);
    let fresh = tokens(world, 153);
    assert_eq!(rotate(&mut tx, &second, &fresh, at(153)).await, Rotation::Rotated(two.clone()));
    assert!(works(&mut tx, &fresh, at(154)).await);
    let revoke = oauth_tokens::revoke(&mut tx, &refresh_hash(&fresh), "ocl_inspector", at(155)).await;
    assert_eq!(revoke.unwrap(), Some(user));
    assert!(!works(&mut tx, &fresh, at(155)).await);
    assert_eq!(oauth_grants::find(&mut tx, two.id).await.unwrap().unwrap().revoked_at, Some(at(155)));
    let ids: Vec<_> = oauth_grants::list(&mut tx, user, at(156)).await.unwrap();
    assert_eq!(ids.iter().map(|listed| listed.grant.id).collect::<Vec<_>>(), [three.id]);
    assert_eq!(oauth_grants::revoke_all(&mut tx, user, at(157)).await.unwrap(), 1);
    assert!(!works(&mut tx, &third, at(158)).await);
    tx.commit().await.unwrap();
}

async fn find_user_in(tx: &mut Tx, name: &str) -> UserId {
    users::find_by_username(tx, name).await.unwrap().unwrap().id
}

async fn what_has_ended_is_forgotten(world: &mut World) {
    let far = at(1_000_000);
    let mut tx = world.store.begin().await.unwrap();
    assert_eq!(devices::forget(&mut tx, at(900)).await.unwrap(), 0);
    assert_eq!(devices::forget(&mut tx, at(901)).await.unwrap(), 6);
    assert_eq!(oauth_grants::forget(&mut tx, far).await.unwrap(), 0, "their tokens are still there");
    assert_eq!(oauth_codes::forget(&mut tx, far).await.unwrap(), 2);
    assert!(oauth_tokens::forget(&mut tx, far).await.unwrap() > 10);
    assert!(oauth_grants::forget(&mut tx, far).await.unwrap() > 3);
    assert_eq!(oauth_clients::forget_unused(&mut tx, far).await.unwrap(), 1);
    tx.commit().await.unwrap();
}
