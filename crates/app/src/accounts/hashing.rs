//! Owns how passwords are hashed: argon2id, its parameters, how many at a time. Refuses to keep one.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use tokio::sync::Semaphore;

use crate::{
    app::App,
    error::{Error, Result},
};

/// OWASP's second recommendation: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Hashes under way at one moment: each takes a core and the memory above.
const AT_ONCE: usize = 2;
const SALT_BYTES: usize = 16;

/// Bounds what hashing costs a node.
pub(crate) struct Hashing {
    places: Arc<Semaphore>,
}

impl Hashing {
    pub(crate) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Does the work in a place, at once or after a bounded wait. The place is the work's, not the asker's: who
    /// goes away does not make room for more, since the work goes on.
    async fn run<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let waiting = tokio::time::timeout(patience, Arc::clone(&self.places).acquire_owned());
        let place = waiting.await.map_err(|_| Error::Busy { retry_after: patience })?;
        let place = place.map_err(Error::internal)?;
        let kept = move || {
            let _place = place;
            work()
        };
        tokio::task::spawn_blocking(kept).await.map_err(Error::internal)
    }
}

fn argon2id() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("constants within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash_with(password: &str, salt: &[u8]) -> Result<String> {
    let hash = argon2id().hash_password_with_salt(password.as_bytes(), salt);
    hash.map(|hash| hash.to_string()).map_err(|error| Error::internal(error.to_string()))
}

/// What is compared with where there is nothing to compare with, so that it takes as long.
fn dummy() -> &'static str {
    static DUMMY: OnceLock<String> = OnceLock::new();
    DUMMY.get_or_init(|| hash_with("nobody's", &[7; SALT_BYTES]).unwrap_or_default())
}

/// The PHC string of a password, with its own salt.
pub(super) async fn hash(app: &App, password: &str) -> Result<String> {
    let mut salt = [0; SALT_BYTES];
    app.with_rng(|rng| rng.fill_bytes(&mut salt));
    let password = password.to_owned();
    app.hashing.run(app.limits().patience, move || hash_with(&password, &salt)).await?
}

/// Whether it is the password of this hash; without one it is not, and takes as long.
pub(crate) async fn matches(app: &App, password: &str, hash: Option<String>) -> Result<bool> {
    let password = password.to_owned();
    let verify = move || {
        let nobody = dummy();
        let verified = argon2id().verify_password(password.as_bytes(), hash.as_deref().unwrap_or(nobody));
        hash.is_some() && verified.is_ok()
    };
    app.hashing.run(app.limits().patience, verify).await
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};
    use skaas_domain::{clock::ManualClock, device::Place, id::UserId, master_key::Keyring, secret::Secret};
    use skaas_store::{Store, passwords, rate::Rate, sessions as stored_sessions, testing::TestDatabase};

    use super::*;
    use crate::{
        accounts::{NewPassword, OtherAccess, Rejected, SignUp, change_password, sign_up},
        actor::Actor,
        app::{AppConfig, Parts},
        limits::Limits,
        render::Voice,
        sessions::{self, Visitor},
        sign_in,
    };

    const PASSWORD: &str = "copper lantern quietly drifts";

    #[test]
    fn a_hash_says_how_it_was_made_and_opens_for_its_password_alone() {
        let hash = hash_with("correct horse battery", &[1; SALT_BYTES]).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(argon2id().verify_password(b"correct horse battery", hash.as_str()).is_ok());
        assert!(argon2id().verify_password(b"correct horse", hash.as_str()).is_err());
        assert_ne!(hash, hash_with("correct horse battery", &[2; SALT_BYTES]).unwrap());
        assert!(dummy().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    }

    #[tokio::test]
    async fn who_goes_away_makes_no_room_and_who_waits_too_long_is_told_to_come_back() {
        let (hashing, patience) = (Hashing::new(), Duration::from_millis(20));
        let mut ends = Vec::new();
        for _ in 0..AT_ONCE {
            let (end, ended) = std::sync::mpsc::channel::<()>();
            let asked = hashing.run(patience, move || ended.recv());
            assert!(tokio::time::timeout(patience, asked).await.is_err(), "it goes on");
            ends.push(end);
        }
        let refused = hashing.run(patience, || ()).await;
        assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
        ends.clear();
        hashing.run(Duration::from_secs(20), || ()).await.unwrap();
    }

    fn visitor<'a>(place: &'a Place, browser: &'a Secret) -> Visitor<'a> {
        Visitor { place, browser, before: None }
    }

    /// A node over `store`, with ann in it: her id, and a session of hers.
    async fn node_with_ann(store: Store, database: &TestDatabase) -> (App, Actor) {
        let voice = Voice { public_url: "https://skaas.test".into(), marketplace_name: "skaas".into() };
        let config = AppConfig { voice, scratch: database.path().join("scratch"), limits: Limits::default() };
        let clock = Arc::new(ManualClock::new("2026-11-02T09:00:00Z".parse().unwrap()));
        let parts = Parts {
            store,
            clock,
            rng: Box::new(StdRng::seed_from_u64(7)),
            rate: Rate::in_process(),
            keyring: Keyring::default(),
        };
        let app = App::new(config, parts);
        let [username, email, password] = ["ann", "ann@example.test", PASSWORD].map(str::to_owned);
        let input = SignUp { username, email, password };
        let (place, browser) = (Place::new("198.51.100.7", "Firefox"), sessions::browser_secret(&app));
        let opened = sign_up(&app, &input, visitor(&place, &browser)).await.unwrap().opened;
        let ann = sessions::find(&app, opened.secret.reveal(), None).await.unwrap().unwrap();
        (app, ann)
    }

    /// Does `work`, and has the password changed by a mailed link while it waits for its hashing.
    async fn overtaken<T>(app: &App, user: UserId, work: impl Future<Output = T>) -> T {
        let full = Arc::clone(&app.hashing.places).acquire_many_owned(u32::try_from(AT_ONCE).unwrap());
        let full = full.await.unwrap();
        let mut work = std::pin::pin!(work);
        let waits = tokio::time::timeout(Duration::from_millis(300), work.as_mut()).await;
        assert!(waits.is_err(), "there was no place");
        let mut tx = app.store.begin().await.unwrap();
        passwords::set(&mut tx, user, "another", app.now()).await.unwrap();
        stored_sessions::revoke_others(&mut tx, user, None, app.now()).await.unwrap();
        tx.commit().await.unwrap();
        drop(full);
        work.await
    }

    #[tokio::test]
    async fn a_password_that_was_changed_while_the_old_one_was_hashed_opens_and_changes_nothing() {
        for database in TestDatabase::each() {
            let place = Place::new("198.51.100.7", "Firefox");
            let (app, ann) = node_with_ann(database.store().await, &database).await;
            let user = ann.user().unwrap().id;
            let browser = sessions::browser_secret(&app);
            let visitor = visitor(&place, &browser);
            let opened = overtaken(&app, user, sign_in::by_password(&app, "ann", PASSWORD, visitor)).await;
            assert!(matches!(opened, Err(Rejected::NoMatch)), "{opened:?}");
            assert_eq!(sessions::list(&app, &ann).await.unwrap(), []);

            let mut tx = app.store.begin().await.unwrap();
            let hash = hash_with(PASSWORD, &[1; SALT_BYTES]).unwrap();
            passwords::set(&mut tx, user, &hash, app.now()).await.unwrap();
            tx.commit().await.unwrap();
            let new = NewPassword { password: "seven mossy anchors humming", other: OtherAccess::Revoke };
            let changed = overtaken(&app, user, change_password(&app, &ann, visitor, PASSWORD, new)).await;
            assert!(matches!(changed, Err(Rejected::Stale)), "{changed:?}");
            let kept = passwords::find(&mut app.store.read().await.unwrap(), user).await.unwrap();
            assert_eq!(kept.unwrap().hash, "another");
            assert_eq!(sessions::list(&app, &ann).await.unwrap(), []);
        }
    }
}
