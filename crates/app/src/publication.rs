//! Owns how a listing changes: what has to be rendered and stored for it first, and the one transaction in
//! which everything becomes true together. Refuses to write over what somebody else changed meanwhile.

use jiff::Timestamp;
use skaas_domain::{
    entitlement::StubReason,
    id::{ReleaseId, SkillId},
    listing::Listing,
    version::Version,
};
use skaas_git::{bundle::Bundle, object::RawCommit};
use skaas_store::{
    Oid, StoreError, Tx, catalogue, contents, listings,
    listings::NewListing,
    releases::{self, NewRelease},
    settings,
    stubs::{self, NewStub},
};

use crate::{
    app::App,
    catalogue::shown_to_all,
    error::{Error, Result},
    lineage::fragment_id,
    oid::stored,
    render::{RenderedStub, Voice},
};

/// The setting that says under which texts of ours the catalogue was rendered.
const RENDERED_BY: &str = "rendered_by";

/// A release that is about to be.
pub(crate) struct Cut {
    pub(crate) id: ReleaseId,
    pub(crate) version: Version,
    pub(crate) bundle: Bundle,
    pub(crate) commit: RawCommit,
    pub(crate) notes: String,
    pub(crate) published_at: Timestamp,
    pub(crate) source_commit: Option<Oid>,
    pub(crate) files: usize,
    pub(crate) bytes: u64,
}

/// A listing as it is to be, with all that has to be stored for it.
pub(crate) struct Revision {
    /// As it was read; `None` for a new one.
    before: Option<Listing>,
    after: Listing,
    folder: Option<String>,
    cuts: Vec<Cut>,
    stub: Option<RenderedStub>,
    entry: Option<String>,
}

impl Revision {
    /// Renders what goes with `after`. `latest` is the newest version released before; `cuts` come on top.
    /// `folder` says where in its source the skill now lies, when that is known.
    pub(crate) fn render(
        voice: &Voice,
        before: Option<Listing>,
        after: Listing,
        folder: Option<String>,
        latest: Option<&str>,
        cuts: Vec<Cut>,
    ) -> Result<Self> {
        let newest = cuts.last().map(|cut| cut.version.to_string());
        let newest = newest.as_deref().or(latest);
        let stub = match newest {
            Some(_) => Some(voice.stub(&after, StubReason::NotPurchased).map_err(Error::internal)?),
            None => None,
        };
        let entry = match (newest, &stub, shown_to_all(&after, newest.is_some())) {
            (_, Some(stub), Some(true)) => {
                Some(voice.entry(&after, &stub.version.to_string(), Some(StubReason::NotPurchased)))
            }
            (Some(version), _, Some(false)) => Some(voice.entry(&after, version, None)),
            _ => None,
        };
        Ok(Self { before, after, folder, cuts, stub, entry })
    }

    pub(crate) fn bundles(&self) -> impl Iterator<Item = &Bundle> {
        let stub = self.stub.iter().map(|stub| &stub.bundle);
        self.cuts.iter().map(|cut| &cut.bundle).chain(stub)
    }

    /// Writes everything; whether it could be. It cannot when the listing is not what it was any more, or a
    /// sweep took a content that nothing had used for long.
    async fn write(&self, tx: &mut Tx, now: Timestamp) -> Result<bool, StoreError> {
        let trees: Vec<Oid> = self.bundles().map(|bundle| stored(bundle.tree())).collect();
        for tree in trees {
            if !contents::keep(tx, tree).await? {
                return Ok(false);
            }
        }
        let position = match &self.before {
            None => self.add(tx).await?.position,
            Some(before) => {
                if listings::find_by_id(tx, before.skill).await?.as_ref() != Some(before) {
                    return Ok(false);
                }
                if let Some(folder) = &self.folder {
                    listings::move_to(tx, before.skill, self.after.source, folder).await?;
                }
                before.position
            }
        };
        listings::update(tx, &Listing { position, ..self.after.clone() }).await?;
        let skill = self.after.skill;
        for cut in &self.cuts {
            releases::add(tx, &new_release(skill, cut)).await?;
        }
        if let Some(stub) = &self.stub {
            stubs::set_current(tx, &new_stub(skill, stub, now)).await?;
        }
        match &self.entry {
            None => catalogue::put_entry(tx, position, skill, None).await?,
            Some(text) => {
                let id = fragment_id(text);
                catalogue::add_fragments(tx, &[(&id, text)]).await?;
                catalogue::put_entry(tx, position, skill, Some(&id)).await?
            }
        };
        Ok(true)
    }

    async fn add(&self, tx: &mut Tx) -> Result<Listing, StoreError> {
        let after = self.after.clone();
        let new = NewListing {
            skill: after.skill,
            name: after.name,
            creator: after.creator,
            source: after.source,
            folder: self.folder.clone().unwrap_or_default(),
            description: after.description,
            features: after.features,
            category: after.category,
            tags: after.tags,
            problems: after.problems,
            created_at: after.created_at,
        };
        listings::add(tx, &new).await
    }
}

fn new_release(skill: SkillId, cut: &Cut) -> NewRelease {
    NewRelease {
        id: cut.id,
        skill,
        version: cut.version.to_string(),
        tree: stored(cut.bundle.tree()),
        commit: stored(cut.commit.id),
        commit_raw: cut.commit.data.clone(),
        published_at: cut.published_at,
        source_commit: cut.source_commit,
        notes: cut.notes.clone(),
        files: i64::try_from(cut.files).unwrap_or(i64::MAX),
        bytes: i64::try_from(cut.bytes).unwrap_or(i64::MAX),
    }
}

fn new_stub(skill: SkillId, stub: &RenderedStub, now: Timestamp) -> NewStub {
    NewStub {
        skill,
        reason: stub.reason,
        tree: stored(stub.bundle.tree()),
        version: stub.version.to_string(),
        commit: stored(stub.commit.id),
        commit_raw: stub.commit.data.clone(),
        created_at: now,
    }
}

/// Stores the contents of revisions: first, so that no row ever points at nothing.
pub(crate) async fn store_contents(app: &App, revisions: &[Revision]) -> Result<()> {
    app.contents.put_all(revisions.iter().flat_map(Revision::bundles), app.now()).await
}

/// Writes revisions within the caller's transaction; whether they could be. When not, drop the transaction
/// and begin again from reading.
pub(crate) async fn write(app: &App, tx: &mut Tx, revisions: &[Revision]) -> Result<bool, StoreError> {
    if revisions.is_empty() {
        return Ok(true);
    }
    tx.bump_catalogue().await?;
    let now = app.now();
    for revision in revisions {
        if !revision.write(tx, now).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Brings every rendered text up to this program's texts and this installation's address. Costs one look-up
/// when they are so already.
pub async fn render_all(app: &App) -> Result<()> {
    let key = app.voice().key();
    let mut conn = app.store.read().await?;
    let rendered_by = settings::get(&mut conn, RENDERED_BY).await?;
    drop(conn);
    if rendered_by.as_ref() == Some(&key) {
        return Ok(());
    }
    loop {
        let mut conn = app.store.read().await?;
        let all = listings::all(&mut conn).await?;
        let mut revisions = Vec::with_capacity(all.len());
        for listing in all {
            let latest = releases::latest(&mut conn, listing.skill).await?.map(|release| release.version);
            let before = Some(listing.clone());
            let revision =
                Revision::render(app.voice(), before, listing, None, latest.as_deref(), Vec::new())?;
            revisions.push(revision);
        }
        drop(conn);
        store_contents(app, &revisions).await?;
        let mut tx = app.store.begin().await?;
        if write(app, &mut tx, &revisions).await? {
            settings::set(&mut tx, RENDERED_BY, &key).await?;
            tx.commit().await?;
            tracing::info!(event = "catalogue_rendered", listings = revisions.len());
            return Ok(());
        }
    }
}

/// The voice that the catalogue was last rendered with: what programs beside the server must use.
pub async fn voice_in_use(store: &skaas_store::Store) -> Result<Option<Voice>> {
    let mut conn = store.read().await?;
    Ok(settings::get(&mut conn, RENDERED_BY).await?.as_deref().and_then(Voice::from_key))
}
