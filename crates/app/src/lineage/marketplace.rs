//! Owns the state of a personal marketplace: the base text with this user's entries put in. Refuses to keep
//! the rendered text: a step stores what is needed to render it again, and the difference to the one before.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use skaas_domain::{
    entitlement::{Access, StubReason, decide},
    id::SkillId,
};
use skaas_git::{
    ObjectId,
    object::{Kind, hash_object},
    pack::{Pack, PackItem, write_pack},
    splice::{Document, Fragment},
    tree_build::{Leaf, LeafMode, TreeSet, build_trees},
};
use skaas_store::{Tx, catalogue, steps::Step};

use super::{Past, commit_date};
use crate::{
    app::App,
    catalogue::{Catalogue, Offered, shown_to_all},
    error::{Error, Result},
    oid::{oid, stored},
    render::{Voice, entry_fragment, marketplace_step},
    viewer::Viewer,
};

/// Where every client looks for the marketplace's file.
pub(crate) const FILE: &str = ".claude-plugin/marketplace.json";
const README: &str = "README.md";
/// A difference larger than this is not kept with its step: it is made again when somebody needs it.
const KEPT_DELTA: usize = 64 * 1024;

/// What a step showed, as it is stored with it: all that is needed to render it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shown {
    /// Of which catalogue revision the base text was.
    catalogue: i64,
    /// Under which texts of ours: a digest of [`Voice::key`].
    voice: String,
    /// The id of the marketplace file.
    blob: String,
    /// This user's own entries by place; `null` shows nothing there.
    own: BTreeMap<usize, Option<String>>,
}

impl Shown {
    fn file(&self) -> Result<ObjectId> {
        ObjectId::from_hex(self.blob.as_bytes()).map_err(Error::internal)
    }
}

/// An entry that differs from what everybody sees.
struct Own {
    id: String,
    text: String,
    fragment: Arc<Fragment>,
}

/// What one user is served as their marketplace.
pub(crate) struct MarketplaceState {
    shown: Shown,
    own: BTreeMap<usize, Option<Own>>,
    dated: i64,
    pub(crate) document: Document,
    pub(crate) files: Files,
    /// What a fresh clone is sent: the same until the state changes, and a megabyte to hash.
    clone_pack: OnceLock<Pack>,
}

/// The tree around a marketplace file.
pub(crate) struct Files {
    pub(crate) trees: TreeSet,
    pub(crate) readme: String,
}

impl Files {
    /// As they stand around the marketplace file of this id.
    pub(crate) fn around(voice: &Voice, blob: ObjectId) -> Result<Self> {
        let readme = voice.readme();
        let leaf = |path, id| Leaf { path, mode: LeafMode::Regular, id };
        let readme_id = hash_object(Kind::Blob, readme.as_bytes());
        let trees = build_trees([leaf(FILE, blob), leaf(README, readme_id)]).map_err(Error::internal)?;
        Ok(Self { trees, readme })
    }

    /// Everything but the marketplace file itself.
    pub(crate) fn items(&self) -> impl Iterator<Item = PackItem<'_>> {
        let trees = self.trees.trees.iter().map(|tree| PackItem::Raw { kind: Kind::Tree, data: &tree.data });
        trees.chain([PackItem::Raw { kind: Kind::Blob, data: self.readme.as_bytes() }])
    }
}

impl MarketplaceState {
    /// The state for `viewer` at `now`, and until when time alone leaves it as it is.
    pub(crate) async fn decide(
        app: &App,
        viewer: &Viewer,
        catalogue: &Catalogue,
        now: Timestamp,
    ) -> Result<(Self, Option<Timestamp>)> {
        let (own, changes_at) = own_entries(app, viewer, catalogue, now)?;
        let mut shown = Shown {
            catalogue: catalogue.revision,
            voice: voice_digest(app.voice()),
            blob: String::new(),
            own: own.iter().map(|(slot, own)| (*slot, own.as_ref().map(|own| own.id.clone()))).collect(),
        };
        let overrides = own
            .iter()
            .map(|(slot, own)| (*slot, own.as_ref().map(|own| Arc::clone(&own.fragment))))
            .collect();
        let base = Arc::clone(&catalogue.base);
        // Hashing megabytes holds up whoever else runs on this thread.
        let document = tokio::task::spawn_blocking(move || Document::new(base, &overrides))
            .await
            .map_err(Error::internal)?;
        shown.blob = document.id().to_string();
        let files = Files::around(app.voice(), document.id())?;
        Ok((
            Self { shown, own, dated: catalogue.dated, document, files, clone_pack: OnceLock::new() },
            changes_at,
        ))
    }

    /// The pack of a fresh clone whose tip is `commit`; made once.
    pub(crate) fn clone_pack(&self, commit: &[u8]) -> &Pack {
        self.clone_pack.get_or_init(|| {
            let mut items = vec![PackItem::Raw { kind: Kind::Commit, data: commit }];
            items.extend(self.files.items());
            items.push(PackItem::Entry(self.document.entry()));
            write_pack(&items)
        })
    }

    pub(super) fn is_shown_by(&self, tip: &Step) -> bool {
        tip.tree == stored(self.files.trees.root)
    }

    pub(super) async fn next_step(&self, app: &App, tip: Option<&Step>, now: Timestamp) -> Result<Step> {
        let date = tip.map_or(0, |tip| commit_date(&tip.commit_raw)).max(self.dated);
        let tree = self.files.trees.root;
        let commit = marketplace_step(tree, tip.map(|tip| oid(tip.commit)), date);
        let delta = match tip {
            None => None,
            Some(tip) => {
                let old = match serde_json::from_str(&tip.state) {
                    Ok(shown) => render(app, &shown).await?,
                    // A program of another version wrote it. Whoever has it is sent the file whole.
                    Err(_) => None,
                };
                old.and_then(|old| self.document.delta_from(&old)).filter(|delta| delta.len() <= KEPT_DELTA)
            }
        };
        Ok(Step {
            seq: tip.map_or(0, |tip| tip.seq + 1),
            commit: stored(commit.id),
            commit_raw: commit.data,
            tree: stored(tree),
            root: None,
            state: serde_json::to_string(&self.shown).map_err(Error::internal)?,
            delta,
            created_at: now,
        })
    }

    /// Writes the own entries that this node does not know to be stored.
    pub(super) async fn write_fragments(&self, app: &App, tx: &mut Tx) -> Result<()> {
        let unknown = self.own.values().flatten().filter(|own| app.catalogues.stored(&own.id).is_none());
        let texts: Vec<(&str, &str)> = unknown.map(|own| (own.id.as_str(), own.text.as_str())).collect();
        Ok(catalogue::add_fragments(tx, &texts).await?)
    }

    pub(super) fn note_fragments(&self, app: &App) {
        for own in self.own.values().flatten() {
            app.catalogues.note_stored(&own.id, &own.fragment);
        }
    }

    /// Whether what a step showed can be rendered again: whatever a user saw of their own marketplace, they
    /// may see again. What it shows now can be, whoever wrote the step.
    pub(super) fn permits(&self, step: &Past) -> bool {
        self.is_of(step) || shown_at(step).is_ok_and(|shown| shown.voice == self.shown.voice)
    }

    fn is_of(&self, step: &Past) -> bool {
        step.tree() == self.files.trees.root
    }

    /// The marketplace file that a step showed.
    pub(crate) fn file_at(&self, step: &Past) -> Result<ObjectId> {
        if self.is_of(step) { Ok(self.document.id()) } else { shown_at(step)?.file() }
    }
}

/// Renders what a step showed; `None` when it was rendered by texts of ours that are no more.
pub(crate) async fn document_at(app: &App, step: &Past) -> Result<Option<Document>> {
    render(app, shown_at(step)?).await
}

async fn render(app: &App, shown: &Shown) -> Result<Option<Document>> {
    if shown.voice != voice_digest(app.voice()) {
        return Ok(None);
    }
    let base = app.catalogues.base_at(shown.catalogue).await?;
    let fragments = app.catalogues.fragments(shown.own.values().flatten()).await?;
    let overrides = shown
        .own
        .iter()
        .map(|(slot, id)| (*slot, id.as_ref().and_then(|id| fragments.get(id.as_str())).map(Arc::clone)))
        .collect();
    Ok(Some(Document::with_id(base, &overrides, shown.file()?)))
}

fn shown_at(step: &Past) -> Result<&Shown> {
    match &step.shown {
        Some(super::Shown::Marketplace(shown)) => Ok(shown),
        _ => Err(Error::internal(format!("step {} does not say what it showed", step.row.seq))),
    }
}

fn voice_digest(voice: &Voice) -> String {
    hash_object(Kind::Blob, voice.key().as_bytes()).to_hex_with_len(12).to_string()
}

type OwnEntries = BTreeMap<usize, Option<Own>>;

/// The entries in which this user's marketplace differs from what everybody sees.
fn own_entries(
    app: &App,
    viewer: &Viewer,
    catalogue: &Catalogue,
    now: Timestamp,
) -> Result<(OwnEntries, Option<Timestamp>)> {
    let user = viewer.user().id;
    let mut entries = BTreeMap::new();
    let mut changes_at: Option<Timestamp> = None;
    let mut concerned: Vec<SkillId> =
        viewer.granted().chain(catalogue.made_by(user).iter().copied()).collect();
    concerned.sort_unstable();
    concerned.dedup();
    for skill in concerned {
        let Some(offered) = catalogue.skill(skill) else { continue };
        let decision =
            decide(user, &offered.listing.terms(), viewer.grants(skill), &offered.release_refs, now);
        changes_at = [changes_at, decision.changes_at].into_iter().flatten().min();
        if let Some(own) = own_entry(app, offered, decision.access)? {
            entries.insert(offered.slot()?, own.into_option());
        }
    }
    Ok((entries, changes_at))
}

/// How one entry differs from what everybody sees; `None` is not at all.
enum Difference {
    /// Another text.
    Shows(Own),
    /// Nothing is shown.
    Hides,
}

impl Difference {
    fn into_option(self) -> Option<Own> {
        match self {
            Self::Shows(own) => Some(own),
            Self::Hides => None,
        }
    }
}

fn own_entry(app: &App, offered: &Offered, access: Access) -> Result<Option<Difference>> {
    let to_all = shown_to_all(&offered.listing, !offered.releases.is_empty());
    let (version, locked) = match access {
        Access::Hidden => return Ok(to_all.is_some().then_some(Difference::Hides)),
        Access::Full { release, .. } => {
            let latest = offered.releases.last().is_some_and(|last| last.id == release);
            if to_all == Some(false) && latest {
                return Ok(None);
            }
            (offered.release(release)?.version.clone(), None)
        }
        Access::Stub { reason: StubReason::NotPurchased } if to_all == Some(true) => return Ok(None),
        Access::Stub { reason } => {
            let stub = app.voice().stub(&offered.listing, reason).map_err(Error::internal)?;
            (stub.version.to_string(), Some(reason))
        }
    };
    let text = app.voice().entry(&offered.listing, &version, locked);
    let id = fragment_id(&text);
    // Deflated once for all who own the same version.
    let fragment = app.catalogues.stored(&id).unwrap_or_else(|| entry_fragment(&text));
    Ok(Some(Difference::Shows(Own { id, text, fragment })))
}

/// The id under which a fragment's text is stored: that of the text as a blob.
pub(crate) fn fragment_id(text: &str) -> String {
    hash_object(Kind::Blob, text.as_bytes()).to_string()
}
