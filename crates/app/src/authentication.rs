//! Owns who is asking: from what a client presents to a [`Viewer`] that is true at this moment. Refuses to
//! answer from memory without having asked the database whether anything changed.

use std::{
    collections::HashMap,
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
    tokens::{self, TokenUse},
};

use crate::{
    app::App,
    error::{Error, Result},
    viewer::Viewer,
};

/// Viewers kept for their next request, and how long an idle one is.
const VIEWERS: u64 = 20_000;
const IDLE: Duration = Duration::from_mins(15);
/// A token's last use is written down to within this many seconds.
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
    viewers: Cache<TokenHash, Arc<Viewer>>,
    used: Mutex<HashMap<TokenId, Timestamp>>,
}

/// Says who is asking.
///
/// # Errors
/// [`Error::Unauthenticated`] for anything but a token that works now: git then forgets what it had stored,
/// so a token that works is never answered so. [`Error::Forbidden`] for a working token under another's
/// name; [`Error::RateLimited`].
pub async fn authenticate(app: &App, presented: Option<&Presented<'_>>) -> Result<Arc<Viewer>> {
    let presented = presented.ok_or(Error::Unauthenticated)?;
    let token = ApiToken::parse(presented.secret).map_err(|_| Error::Unauthenticated)?;
    let viewer = fresh_viewer(app, token.hash()).await?.ok_or(Error::Unauthenticated)?;
    let now = app.now();
    if !viewer.token().works(now) {
        return Err(Error::Unauthenticated);
    }
    if let Some(name) = presented.username
        && name != viewer.user().username
    {
        return Err(Error::Forbidden(
            "this api token belongs to another username; give the token's own username with it".into(),
        ));
    }
    app.rate.take(&viewer.token().id)?;
    app.authentication.note_use(&viewer, now);
    Ok(viewer)
}

/// The viewer with this token as of now, together with a catalogue that is as fresh.
async fn fresh_viewer(app: &App, hash: TokenHash) -> Result<Option<Arc<Viewer>>> {
    // The mark comes first: whatever is committed after it makes the next mark differ.
    let mark = app.store.mark();
    let Some(known) = app.authentication.viewers.get(&hash) else {
        return load(app, hash, mark).await;
    };
    if mark.is_some() && known.seen() == mark {
        return Ok(Some(known));
    }
    let revisions = app.store.revisions(known.user().id).await?;
    if revisions.user != known.revision() {
        return load(app, hash, mark).await;
    }
    app.catalogues.reach(revisions.catalogue).await?;
    known.see(mark);
    Ok(Some(known))
}

/// The same viewer as of now.
///
/// # Errors
/// [`Error::Unauthenticated`] when the token works no more.
pub(crate) async fn reload(app: &App, viewer: &Viewer) -> Result<Arc<Viewer>> {
    let viewer = load(app, viewer.token().hash, app.store.mark()).await?;
    viewer.filter(|viewer| viewer.token().works(app.now())).ok_or(Error::Unauthenticated)
}

async fn load(app: &App, hash: TokenHash, mark: Option<Mark>) -> Result<Option<Arc<Viewer>>> {
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
    viewer.see(mark);
    app.authentication.viewers.insert(hash, Arc::clone(&viewer));
    Ok(Some(viewer))
}

impl Authentication {
    pub(crate) fn new() -> Self {
        let viewers = Cache::builder().max_capacity(VIEWERS).time_to_idle(IDLE).build();
        Self { viewers, used: Mutex::new(HashMap::new()) }
    }

    fn note_use(&self, viewer: &Viewer, now: Timestamp) {
        if viewer.note_use(now, LAST_USED_GRAIN) {
            self.used.lock().expect("no one panics while noting").insert(viewer.token().id, now);
        }
    }

    /// Writes down when tokens were last used. What cannot be written is tried again the next time.
    pub(crate) async fn write_last_used(&self, store: &Store) -> Result<()> {
        let used: Vec<(TokenId, Timestamp)> =
            self.used.lock().expect("no one panics while noting").drain().collect();
        if used.is_empty() {
            return Ok(());
        }
        let outcome = async {
            let mut tx = store.begin().await?;
            let touched: Vec<TokenUse> =
                used.iter().map(|&(id, at)| TokenUse { id, at, from: None }).collect();
            tokens::touch(&mut tx, &touched).await?;
            tx.commit().await
        };
        outcome.await.map_err(|error| {
            let mut waiting = self.used.lock().expect("no one panics while noting");
            for (token, at) in used {
                waiting.entry(token).or_insert(at);
            }
            Error::Store(error)
        })
    }
}
