//! Owns who is asking: from what a client presents to a [`Viewer`] that is true at this moment. Refuses to
//! answer from memory without having asked the database whether anything changed.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher},
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use moka::sync::Cache;
use skaas_domain::{
    id::TokenId,
    token::{ApiToken, TokenHash},
};
use skaas_store::{
    Mark, Store, grants,
    rate::Subject,
    tokens::{self, TokenUse},
};

use crate::{
    actor::{Actor, Via},
    app::App,
    code::Code,
    error::{Error, Result},
    limits::CountedAs,
    suspension::suspended,
    viewer::Viewer,
};

/// Viewers kept for their next request, and how long an idle one is.
const VIEWERS: u64 = 20_000;
const IDLE: Duration = Duration::from_mins(15);
/// A token's last use is written down to within this many seconds; one from another address at once.
const LAST_USED_GRAIN: i64 = 60;

/// What a client sent to say who it is: Basic's name and password, or a Bearer token.
pub struct Presented<'a> {
    /// The name beside the token, where the scheme has one.
    pub username: Option<&'a str>,
    /// The api token, if it is one.
    pub secret: &'a str,
}

/// What is remembered between requests about who asked.
pub(crate) struct Authentication {
    viewers: Cache<TokenHash, Arc<Known>, Uniform>,
    used: Mutex<HashMap<TokenId, Use>>,
}

/// Hashes what is a hash already, by taking its first bytes. Only the hashes of tokens that work are kept, and
/// nobody chooses those.
#[derive(Clone, Default)]
struct Uniform(u64);

impl BuildHasher for Uniform {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self::default()
    }
}

impl Hasher for Uniform {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 ^= u64::from_ne_bytes(*first);
        }
    }

    /// Of the length, which is always the same.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A viewer, and from where the token was used last.
struct Known {
    viewer: Arc<Viewer>,
    from: Mutex<Option<IpAddr>>,
}

/// A use of a token that is to be written down.
#[derive(Clone, Copy)]
struct Use {
    at: Timestamp,
    from: Option<IpAddr>,
}

/// Returns the actor that presented an API token, `from` where that is known.
///
/// # Errors
/// [`Error::Unauthenticated`] for anything but a token that works now: git then forgets what it had stored,
/// so a token that works is never answered so. [`crate::Kind::Forbidden`] for a working token under another's
/// name, and for one of a suspended account. [`Error::RateLimited`] for too many requests with one token, and for too many with tokens that do not
/// work from one address; who presents nothing at all is not counted, since git begins every operation so.
pub async fn authenticate(
    app: &App,
    presented: Option<&Presented<'_>>,
    from: Option<IpAddr>,
) -> Result<Actor> {
    recognise(app, presented, from, CountedAs::Request).await
}

/// Like [`authenticate`], for requests that revoke something: those have their own rate limit.
///
/// # Errors
/// As [`authenticate`].
pub async fn authenticate_to_revoke(
    app: &App,
    presented: Option<&Presented<'_>>,
    from: Option<IpAddr>,
) -> Result<Actor> {
    recognise(app, presented, from, CountedAs::Revocation).await
}

async fn recognise(
    app: &App,
    presented: Option<&Presented<'_>>,
    from: Option<IpAddr>,
    counted: CountedAs,
) -> Result<Actor> {
    let presented = presented.ok_or(Error::Unauthenticated)?;
    let now = app.now();
    let Some(known) = working(app, presented.secret, now).await? else {
        app.rates.take_from(from, CountedAs::Request, now).await?;
        return Err(Error::Unauthenticated);
    };
    let viewer = &known.viewer;
    app.rates.take(Subject::Token(viewer.token().id), counted, now).await?;
    if let Some(name) = presented.username
        && name != viewer.user().username
    {
        return Err(Error::refused(
            Code::WrongUsername,
            "this API token belongs to another username; give the token's own username with it",
        ));
    }
    if viewer.user().is_suspended() {
        // In words, since they proved that the account is theirs; and not as 401, after which git and agents would
        // forget a token that works again once the suspension is lifted.
        return Err(suspended());
    }
    app.authentication.note_use(&known, Use { at: now, from });
    Ok(Actor::new(Via::ApiToken(Arc::clone(viewer)), from))
}

/// Who has this token, if it is one that works now.
async fn working(app: &App, secret: &str, now: Timestamp) -> Result<Option<Arc<Known>>> {
    let Ok(token) = ApiToken::parse(secret) else { return Ok(None) };
    let known = fresh_viewer(app, token.hash()).await?;
    Ok(known.filter(|known| known.viewer.token().works(now)))
}

/// The viewer with this token as of now, together with a catalogue that is as fresh.
async fn fresh_viewer(app: &App, hash: TokenHash) -> Result<Option<Arc<Known>>> {
    // The mark comes first: whatever is committed after it makes the next mark differ.
    let mark = app.store.mark();
    let Some(known) = app.authentication.viewers.get(&hash) else {
        return Box::pin(load(app, hash, mark)).await;
    };
    let viewer = &known.viewer;
    if mark.is_some() && viewer.seen() == mark {
        return Ok(Some(known));
    }
    let revisions = app.store.revisions(viewer.user().id).await?;
    if revisions.user != viewer.revision() {
        return Box::pin(load(app, hash, mark)).await;
    }
    app.catalogues.reach(revisions.catalogue).await?;
    viewer.see(mark);
    Ok(Some(known))
}

/// The same viewer as of now.
///
/// # Errors
/// [`Error::Unauthenticated`] when the token is invalid or expired.
pub(crate) async fn reload(app: &App, viewer: &Viewer) -> Result<Arc<Viewer>> {
    let known = load(app, viewer.token().hash, app.store.mark()).await?;
    let viewer = known.map(|known| Arc::clone(&known.viewer));
    let viewer = viewer.filter(|viewer| viewer.token().works(app.now())).ok_or(Error::Unauthenticated)?;
    if viewer.user().is_suspended() { Err(suspended()) } else { Ok(viewer) }
}

async fn load(app: &App, hash: TokenHash, mark: Option<Mark>) -> Result<Option<Arc<Known>>> {
    let mut conn = app.store.read().await?;
    let Some(bearer) = tokens::find_by_hash(&mut conn, &hash).await? else {
        app.authentication.viewers.invalidate(&hash);
        return Ok(None);
    };
    let user = bearer.user.id;
    let grants = grants::list(&mut conn, user).await?;
    drop(conn);
    let revisions = app.store.revisions(user).await?;
    app.catalogues.reach(revisions.catalogue).await?;
    let viewer = Arc::new(Viewer::new(bearer, grants));
    if let Some(earlier) = app.authentication.viewers.get(&hash) {
        viewer.inherit(&earlier.viewer);
    }
    viewer.see(mark);
    let known = Arc::new(Known { viewer, from: Mutex::new(None) });
    app.authentication.viewers.insert(hash, Arc::clone(&known));
    Ok(Some(known))
}

impl Authentication {
    pub(crate) fn new() -> Self {
        let viewers =
            Cache::builder().max_capacity(VIEWERS).time_to_idle(IDLE).build_with_hasher(Uniform::default());
        Self { viewers, used: Mutex::new(HashMap::new()) }
    }

    fn note_use(&self, known: &Known, this: Use) {
        let before =
            std::mem::replace(&mut *known.from.lock().expect("no one panics while noting"), this.from);
        let viewer = &known.viewer;
        if viewer.note_use(this.at, LAST_USED_GRAIN) || before != this.from {
            self.used.lock().expect("no one panics while noting").insert(viewer.token().id, this);
        }
    }

    /// Writes down when tokens were last used and from where. What cannot be written is tried again the next
    /// time.
    pub(crate) async fn write_last_used(&self, store: &Store) -> Result<()> {
        let used: Vec<(TokenId, Use)> =
            self.used.lock().expect("no one panics while noting").drain().collect();
        if used.is_empty() {
            return Ok(());
        }
        let touch = |&(id, Use { at, from }): &(TokenId, Use)| {
            let from = from.map(|from| from.to_canonical().to_string());
            TokenUse { id, at, from }
        };
        let outcome = async {
            let mut tx = store.begin_lazy().await?;
            tokens::touch(&mut tx, &used.iter().map(touch).collect::<Vec<_>>()).await?;
            tx.commit().await
        };
        outcome.await.map_err(|error| {
            let mut waiting = self.used.lock().expect("no one panics while noting");
            for (token, this) in used {
                waiting.entry(token).or_insert(this);
            }
            Error::Store(error)
        })
    }
}
