//! Second factors: passkeys, authenticator apps, recovery codes, and the ceremonies that use them.

use skaas_domain::{
    id::{PasskeyId, UserId},
    secret::{Secret, SecretHash, SecretKind},
    totp::TimeStep,
};
use skaas_store::{
    authenticator_apps,
    ceremonies::{self, Ceremony, CeremonyKind},
    passkeys::{self, PasskeyRecord},
    recovery_codes,
};

use crate::world::{World, at};

pub(crate) async fn tell(world: &mut World) {
    let user = world.user("una").await.id;
    passkeys_are_found_used_renamed_and_removed(world, user).await;
    an_app_is_confirmed_once_and_takes_no_step_twice(world, user).await;
    a_recovery_code_is_used_once(world, user).await;
    a_ceremony_ends_once_in_its_browser_and_in_time(world, user).await;
}

fn hash(world: &mut World) -> SecretHash {
    Secret::generate(SecretKind::Link, &mut world.rng).hash()
}

async fn passkeys_are_found_used_renamed_and_removed(world: &mut World, user: UserId) {
    let made = |world: &mut World, credential: &[u8], seconds| PasskeyRecord {
        id: PasskeyId::new(at(seconds), &mut world.rng),
        user,
        credential_id: credential.to_vec(),
        credential: "{\"counter\":1}".to_owned(),
        label: "laptop".to_owned(),
        created_at: at(seconds),
        last_used_at: None,
    };
    let (laptop, phone) = (made(world, b"one", 1), made(world, b"two", 2));
    let twin = made(world, b"one", 3);
    let mut tx = world.store.begin().await.unwrap();
    assert!(passkeys::add(&mut tx, &laptop).await.unwrap() && passkeys::add(&mut tx, &phone).await.unwrap());
    assert!(!passkeys::add(&mut tx, &twin).await.unwrap(), "a credential belongs to one passkey");
    assert_eq!(passkeys::list(&mut tx, user).await.unwrap(), [laptop.clone(), phone.clone()]);
    assert_eq!(passkeys::count(&mut tx, user).await.unwrap(), 2);
    assert_eq!(passkeys::find_by_credential(&mut tx, b"three").await.unwrap(), None);

    assert!(passkeys::note_use(&mut tx, &laptop, "{\"counter\":2}", at(9)).await.unwrap());
    assert!(
        !passkeys::note_use(&mut tx, &laptop, "{\"counter\":3}", at(9)).await.unwrap(),
        "read before that"
    );
    let found = passkeys::find_by_credential(&mut tx, b"one").await.unwrap().unwrap();
    assert_eq!((found.credential.as_str(), found.last_used_at), ("{\"counter\":2}", Some(at(9))));

    let eve = world.person("eve").id;
    assert!(!passkeys::rename(&mut tx, eve, laptop.id, "hers").await.unwrap());
    assert!(passkeys::rename(&mut tx, user, laptop.id, "old laptop").await.unwrap());
    let removed = passkeys::remove(&mut tx, user, laptop.id).await.unwrap();
    assert_eq!(removed.map(|passkey| passkey.label).as_deref(), Some("old laptop"));
    assert_eq!(passkeys::remove(&mut tx, user, laptop.id).await.unwrap(), None);
    assert_eq!(passkeys::remove_all(&mut tx, user).await.unwrap(), 1);
    tx.commit().await.unwrap();
}

async fn an_app_is_confirmed_once_and_takes_no_step_twice(world: &mut World, user: UserId) {
    let mut tx = world.store.begin().await.unwrap();
    assert_eq!(authenticator_apps::find(&mut tx, user).await.unwrap(), None);
    assert!(authenticator_apps::begin(&mut tx, user, at(1)).await.unwrap());
    assert!(authenticator_apps::begin(&mut tx, user, at(2)).await.unwrap(), "the first was never confirmed");
    assert!(!authenticator_apps::note_use(&mut tx, user, TimeStep(5), at(3)).await.unwrap());
    assert!(authenticator_apps::confirm(&mut tx, user, TimeStep(5), at(3)).await.unwrap());
    assert!(!authenticator_apps::confirm(&mut tx, user, TimeStep(6), at(3)).await.unwrap());
    assert!(!authenticator_apps::begin(&mut tx, user, at(4)).await.unwrap(), "a confirmed one stays");
    for (step, is_new) in [(5, false), (4, false), (6, true), (6, false)] {
        let is_taken = authenticator_apps::note_use(&mut tx, user, TimeStep(step), at(5)).await.unwrap();
        assert_eq!(is_taken, is_new, "{step}");
    }
    let app = authenticator_apps::find(&mut tx, user).await.unwrap().unwrap();
    assert_eq!((app.created_at, app.confirmed_at, app.last_step), (at(2), Some(at(3)), 6));
    assert!(authenticator_apps::remove(&mut tx, user).await.unwrap());
    assert!(!authenticator_apps::remove(&mut tx, user).await.unwrap());

    authenticator_apps::begin(&mut tx, user, at(10)).await.unwrap();
    assert_eq!(authenticator_apps::forget(&mut tx, at(10)).await.unwrap(), []);
    assert_eq!(authenticator_apps::forget(&mut tx, at(11)).await.unwrap(), [user]);
    tx.commit().await.unwrap();
}

async fn a_recovery_code_is_used_once(world: &mut World, user: UserId) {
    let (first, second, new) = (hash(world), hash(world), hash(world));
    let mut tx = world.store.begin().await.unwrap();
    recovery_codes::replace(&mut tx, user, &[first, second], at(1)).await.unwrap();
    assert_eq!(recovery_codes::left(&mut tx, user).await.unwrap(), 2);
    assert!(recovery_codes::redeem(&mut tx, user, &first, at(2)).await.unwrap());
    assert!(!recovery_codes::redeem(&mut tx, user, &first, at(2)).await.unwrap());
    assert_eq!(recovery_codes::left(&mut tx, user).await.unwrap(), 1);
    recovery_codes::replace(&mut tx, user, &[new], at(3)).await.unwrap();
    assert!(!recovery_codes::redeem(&mut tx, user, &second, at(4)).await.unwrap(), "it was replaced");
    assert_eq!(recovery_codes::remove_all(&mut tx, user).await.unwrap(), 1);
    tx.commit().await.unwrap();
}

async fn a_ceremony_ends_once_in_its_browser_and_in_time(world: &mut World, user: UserId) {
    let ceremony = Ceremony {
        kind: CeremonyKind::SecondFactor,
        user: Some(user),
        state: "password".to_owned(),
        created_at: at(0),
        expires_at: at(60),
    };
    let (secret, browser, other) = (hash(world), hash(world), hash(world));
    let kind = CeremonyKind::SecondFactor;
    let mut tx = world.store.begin().await.unwrap();
    ceremonies::add(&mut tx, &ceremony, &secret, &browser).await.unwrap();
    for (kind, browser, now) in
        [(CeremonyKind::Assertion, &browser, 1), (kind, &other, 1), (kind, &browser, 60)]
    {
        assert_eq!(ceremonies::find(&mut tx, kind, &secret, browser, at(now)).await.unwrap(), None);
        assert_eq!(ceremonies::take(&mut tx, kind, &secret, browser, at(now)).await.unwrap(), None);
    }
    let found = ceremonies::find(&mut tx, kind, &secret, &browser, at(59)).await.unwrap();
    assert_eq!(found.as_ref(), Some(&ceremony));
    let taken = ceremonies::take(&mut tx, kind, &secret, &browser, at(59)).await.unwrap();
    assert_eq!(taken, Some(ceremony.clone()));
    assert_eq!(ceremonies::take(&mut tx, kind, &secret, &browser, at(59)).await.unwrap(), None);

    ceremonies::add(&mut tx, &ceremony, &secret, &browser).await.unwrap();
    assert_eq!(ceremonies::end_all(&mut tx, user).await.unwrap(), 1);
    ceremonies::add(&mut tx, &Ceremony { user: None, ..ceremony }, &secret, &browser).await.unwrap();
    assert_eq!(ceremonies::end_all(&mut tx, user).await.unwrap(), 0);
    assert_eq!(ceremonies::forget(&mut tx, at(60)).await.unwrap(), 0);
    assert_eq!(ceremonies::forget(&mut tx, at(61)).await.unwrap(), 1);
    tx.commit().await.unwrap();
}
