//! Owns what is offered, at one revision, in memory: listings, releases, and the base text of every
//! marketplace file. Refuses to know users.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use arc_swap::ArcSwap;
use moka::sync::Cache;
use skaas_domain::{
    entitlement::{ReleaseRef, StubReason},
    id::{ReleaseId, SkillId, UserId},
    listing::Listing,
    marketplace,
};
use skaas_git::splice::{Base, Fragment};
use skaas_store::{
    Conn, Store, catalogue, listings,
    releases::{self, Release, ReleaseHead},
    stubs::{self, Stub, StubHead},
};

use crate::{
    error::{Error, Result},
    render::{Voice, entry_fragment},
};

/// Bases of earlier revisions kept for those who come from there. Each shares all but the changed blocks with
/// its neighbours, so that one more costs about 150 KB.
const EARLIER_BASES: u64 = 256;
/// Fragments kept in memory besides those of the current base.
const FRAGMENTS: u64 = 50_000;

/// A skill as it is offered, with all that serving it needs.
#[derive(Debug)]
pub(crate) struct Offered {
    pub(crate) listing: Listing,
    /// Oldest first.
    pub(crate) releases: Vec<ReleaseHead>,
    /// The same, as the decision wants them.
    pub(crate) release_refs: Vec<ReleaseRef>,
    /// The stub of someone who never had it; made when the listing was last rendered.
    pub(crate) stub: Option<StubHead>,
}

/// Everything that is offered, at one revision.
pub(crate) struct Catalogue {
    pub(crate) revision: i64,
    pub(crate) base: Arc<Base>,
    /// When anything in it last changed, in seconds since 1970: the date of marketplace commits.
    pub(crate) dated: i64,
    skills: HashMap<SkillId, Arc<Offered>>,
    names: HashMap<String, SkillId>,
    by_creator: HashMap<UserId, Vec<SkillId>>,
}

impl Catalogue {
    fn empty(voice: &Voice) -> Self {
        Self {
            revision: -1,
            base: Arc::new(Base::new(voice.head(), Vec::new(), marketplace::tail())),
            dated: 0,
            skills: HashMap::new(),
            names: HashMap::new(),
            by_creator: HashMap::new(),
        }
    }

    pub(crate) fn skill(&self, id: SkillId) -> Option<&Arc<Offered>> {
        self.skills.get(&id)
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Offered>> {
        self.names.get(name).and_then(|id| self.skills.get(id))
    }

    pub(crate) fn made_by(&self, creator: UserId) -> &[SkillId] {
        self.by_creator.get(&creator).map_or(&[], Vec::as_slice)
    }

    fn put(&mut self, offered: Offered) {
        let listing = &offered.listing;
        self.dated = self.dated.max(listing.updated_at.as_second());
        self.names.insert(listing.name.clone(), listing.skill);
        let made = self.by_creator.entry(listing.creator).or_default();
        if !made.contains(&listing.skill) {
            made.push(listing.skill);
        }
        self.skills.insert(listing.skill, Arc::new(offered));
    }

    fn remove(&mut self, skill: SkillId) {
        if let Some(offered) = self.skills.remove(&skill) {
            self.names.remove(&offered.listing.name);
            if let Some(made) = self.by_creator.get_mut(&offered.listing.creator) {
                made.retain(|id| *id != skill);
            }
        }
    }
}

/// Whether everybody who has no reason of their own sees an entry, and which: `Some(locked)`.
pub(crate) fn shown_to_all(listing: &Listing, released: bool) -> Option<bool> {
    let offered = listing.is_offered() && released;
    offered.then(|| !listing.prices.is_free())
}

/// The catalogue as this node knows it, and what of earlier ones is still of use.
pub(crate) struct Catalogues {
    store: Store,
    voice: Voice,
    current: ArcSwap<Catalogue>,
    loading: tokio::sync::Mutex<()>,
    bases: Cache<i64, Arc<Base>>,
    fragments: Cache<String, Arc<Fragment>>,
}

impl Catalogues {
    pub(crate) fn new(store: Store, voice: Voice) -> Self {
        let current = ArcSwap::from_pointee(Catalogue::empty(&voice));
        let (bases, fragments) = (Cache::new(EARLIER_BASES), Cache::new(FRAGMENTS));
        Self { store, voice, current, loading: tokio::sync::Mutex::default(), bases, fragments }
    }

    /// The newest that this node knows: at least as new as the last [`Catalogues::reach`] asked for.
    pub(crate) fn current(&self) -> Arc<Catalogue> {
        self.current.load_full()
    }

    /// Makes sure that the current catalogue is of `revision` or later.
    pub(crate) async fn reach(&self, revision: i64) -> Result<()> {
        if self.current.load().revision >= revision {
            return Ok(());
        }
        Box::pin(self.follow_to(revision)).await
    }

    /// Reads what has changed, or everything where nothing was read before.
    async fn follow_to(&self, revision: i64) -> Result<()> {
        let _one_at_a_time = self.loading.lock().await;
        let known = self.current();
        if known.revision >= revision {
            return Ok(());
        }
        let mut snapshot = self.store.snapshot().await?;
        let next = if known.revision < 0 {
            self.load(&mut snapshot).await?
        } else {
            self.follow(&known, &mut snapshot).await?
        };
        tracing::debug!(event = "catalogue_reached", revision = next.revision);
        self.bases.insert(next.revision, Arc::clone(&next.base));
        self.current.store(Arc::new(next));
        Ok(())
    }

    /// Reads everything.
    async fn load(&self, conn: &mut Conn) -> Result<Catalogue> {
        let revision = catalogue::revision(conn).await?;
        let mut all = Catalogue::empty(&self.voice);
        all.revision = revision;
        let mut heads: HashMap<SkillId, Vec<ReleaseHead>> = HashMap::new();
        for head in releases::all(conn).await? {
            heads.entry(head.skill).or_default().push(head);
        }
        let mut stubs: HashMap<SkillId, StubHead> = stubs::all_current(conn)
            .await?
            .into_iter()
            .filter(|stub| stub.reason == StubReason::NotPurchased)
            .map(|stub| (stub.skill, stub))
            .collect();
        for listing in listings::all(conn).await? {
            let releases = heads.remove(&listing.skill).unwrap_or_default();
            let stub = stubs.remove(&listing.skill);
            all.put(Offered::new(listing, releases, stub));
        }
        all.base = self.read_base(conn, revision).await?;
        all.base.warm();
        Ok(all)
    }

    /// Reads what changed since `known`.
    async fn follow(&self, known: &Catalogue, conn: &mut Conn) -> Result<Catalogue> {
        let revision = catalogue::revision(conn).await?;
        let changes = catalogue::changes_between(conn, known.revision, revision).await?;
        let mut next = Catalogue {
            revision,
            base: Arc::clone(&known.base),
            dated: known.dated,
            skills: known.skills.clone(),
            names: known.names.clone(),
            by_creator: known.by_creator.clone(),
        };
        let touched: HashSet<SkillId> = changes.iter().map(|entry| entry.skill).collect();
        for skill in touched {
            match listings::find_by_id(conn, skill).await? {
                None => next.remove(skill),
                Some(listing) => {
                    let heads = releases::list(conn, skill).await?.into_iter().map(head_of).collect();
                    let stub = stubs::current(conn, skill, StubReason::NotPurchased).await?;
                    next.put(Offered::new(listing, heads, stub.map(stub_head_of)));
                }
            }
        }
        let mut slots = Vec::with_capacity(changes.len());
        for entry in changes {
            let fragment = match entry.fragment {
                None => None,
                Some(id) => Some(self.fragment_by(conn, &id).await?),
            };
            slots.push((slot(entry.position)?, fragment));
        }
        next.base = Arc::new(known.base.with_changes(&slots));
        Ok(next)
    }

    /// The base text of an earlier revision.
    pub(crate) async fn base_at(&self, revision: i64) -> Result<Arc<Base>> {
        let current = self.current.load();
        if current.revision == revision {
            return Ok(Arc::clone(&current.base));
        }
        drop(current);
        if let Some(base) = self.bases.get(&revision) {
            return Ok(base);
        }
        let mut snapshot = self.store.snapshot().await?;
        let base = self.read_base(&mut snapshot, revision).await?;
        self.bases.insert(revision, Arc::clone(&base));
        Ok(base)
    }

    async fn read_base(&self, conn: &mut Conn, revision: i64) -> Result<Arc<Base>> {
        let texts = catalogue::fragments_at(conn, revision).await?;
        let entries = catalogue::entries_at(conn, revision).await?;
        let mut slots: Vec<Option<Arc<Fragment>>> = Vec::new();
        for entry in entries {
            let at = slot(entry.position)?;
            if slots.len() <= at {
                slots.resize(at + 1, None);
            }
            slots[at] = match entry.fragment {
                None => None,
                Some(id) => {
                    let text = texts.get(&id).ok_or_else(|| missing_fragment(&id))?;
                    Some(self.fragments.get_with(id, || entry_fragment(text)))
                }
            };
        }
        Ok(Arc::new(Base::new(self.voice.head(), slots, marketplace::tail())))
    }

    /// Fragments by their ids.
    pub(crate) async fn fragments<'a>(
        &self,
        ids: impl Iterator<Item = &'a String>,
    ) -> Result<HashMap<&'a str, Arc<Fragment>>> {
        let mut found = HashMap::new();
        let mut missing = Vec::new();
        for id in ids {
            match self.fragments.get(id) {
                Some(fragment) => drop(found.insert(id.as_str(), fragment)),
                None => missing.push(id),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let wanted: Vec<String> = missing.iter().map(|id| (*id).clone()).collect();
        let mut conn = self.store.read().await?;
        let texts = catalogue::fragments(&mut conn, &wanted).await?;
        for id in missing {
            let text = texts.get(id).ok_or_else(|| missing_fragment(id))?;
            found.insert(id, self.fragments.get_with(id.clone(), || entry_fragment(text)));
        }
        Ok(found)
    }

    /// A fragment that this node knows to be stored. They are never dropped.
    pub(crate) fn stored(&self, id: &str) -> Option<Arc<Fragment>> {
        self.fragments.get(id)
    }

    /// Remembers a fragment that was just stored.
    pub(crate) fn note_stored(&self, id: &str, fragment: &Arc<Fragment>) {
        self.fragments.insert(id.to_owned(), Arc::clone(fragment));
    }

    async fn fragment_by(&self, conn: &mut Conn, id: &str) -> Result<Arc<Fragment>> {
        if let Some(fragment) = self.fragments.get(id) {
            return Ok(fragment);
        }
        let text = catalogue::fragment(conn, id).await?.ok_or_else(|| missing_fragment(id))?;
        Ok(self.fragments.get_with(id.to_owned(), || entry_fragment(&text)))
    }
}

impl Offered {
    fn new(listing: Listing, releases: Vec<ReleaseHead>, stub: Option<StubHead>) -> Self {
        let release_refs =
            releases.iter().map(|r| ReleaseRef { id: r.id, published_at: r.published_at }).collect();
        Self { listing, releases, release_refs, stub }
    }

    /// One of its releases.
    pub(crate) fn release(&self, id: ReleaseId) -> Result<&ReleaseHead> {
        let found = self.releases.iter().find(|release| release.id == id);
        found.ok_or_else(|| Error::internal(format!("{id} is decided upon but not a release of the skill")))
    }

    /// The place of this skill in every marketplace file.
    pub(crate) fn slot(&self) -> Result<usize> {
        slot(self.listing.position)
    }
}

fn head_of(release: Release) -> ReleaseHead {
    let Release { skill, id, seq, version, tree, commit, published_at, bytes, .. } = release;
    ReleaseHead { skill, id, seq, version, tree, commit, published_at, bytes }
}

fn stub_head_of(stub: Stub) -> StubHead {
    let Stub { skill, reason, tree, version, commit, .. } = stub;
    StubHead { skill, reason, tree, version, commit }
}

fn slot(position: i64) -> Result<usize> {
    usize::try_from(position).map_err(Error::internal)
}

fn missing_fragment(id: &str) -> Error {
    Error::internal(format!("the fragment {id} is named by an entry but not stored"))
}
