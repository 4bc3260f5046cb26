//! Owns which objects of a personal marketplace go into a pack: the file as a difference where the client has
//! the one before it, else whole. Refuses to name a base that the client was not just shown to have.

use std::collections::HashSet;

use skaas_git::{
    ObjectId,
    object::{Kind, hash_object},
    pack::{ObjectFilter, Pack, PackItem, delta_entry, write_pack},
    rope::Rope,
    upload_pack::{AllowedObjects, Plan},
};

use super::{Known, Opened};
use crate::{
    app::App,
    error::{Error, Result},
    lineage::{Files, MarketplaceState, Past, document_at},
};

/// The objects of the file as it is now.
struct Present(HashSet<ObjectId>);

impl AllowedObjects for Present {
    fn tree_or_blob_allowed(&self, id: &ObjectId) -> bool {
        self.0.contains(id)
    }
}

pub(super) fn allowed_objects(state: &MarketplaceState) -> Box<dyn AllowedObjects + Send + Sync> {
    let mut ids: HashSet<ObjectId> = state.files.trees.trees.iter().map(|tree| tree.id).collect();
    ids.insert(state.document.id());
    ids.insert(hash_object(Kind::Blob, state.files.readme.as_bytes()));
    Box::new(Present(ids))
}

/// One step's part of a pack.
struct Piece<'a> {
    past: &'a Past,
    files: Files,
    file: Option<Rope>,
}

/// The marketplace files that need not be sent, and those that differences may name.
struct Sides {
    /// On the client's side, or in the pack by now.
    there: HashSet<ObjectId>,
    /// Certainly complete on the client's side, or in the pack by now.
    bases: HashSet<ObjectId>,
}

impl Sides {
    fn of(state: &MarketplaceState, known: &Known, plan: &Plan) -> Self {
        // Of a step that a program of another version wrote it is not known what it showed.
        let file = |commit: &ObjectId| state.file_at(known.past(commit)?).ok();
        let files = |commits: &[ObjectId]| commits.iter().filter_map(file).collect();
        Self { there: files(&plan.has), bases: files(&plan.delta_bases) }
    }
}

/// The pack of a plan; `None` when it names what may no longer be sent.
pub(super) async fn make(
    app: &App,
    state: &MarketplaceState,
    opened: &Opened,
    known: &Known,
    plan: &Plan,
) -> Result<Option<Pack>> {
    let tip = opened.served.tip.id();
    let is_clone = plan.has.is_empty() && plan.objects.is_empty() && plan.filter.is_none();
    if is_clone && plan.commits == [tip] {
        return Ok(Some(state.clone_pack(&opened.served.tip.row.commit_raw).clone()));
    }
    let filter = plan.filter.unwrap_or_default();
    let mut sides = Sides::of(state, known, plan);
    let mut written = HashSet::new();
    let mut pieces = Vec::with_capacity(plan.commits.len());
    // From the oldest on: each may then build on the one before it in this very pack.
    for id in plan.commits.iter().rev() {
        let Some(past) = known.past(id).filter(|_| known.permitted_tree(id).is_some()) else {
            return Ok(None);
        };
        let blob = state.file_at(past)?;
        let files = Files::around(app.voice(), blob)?;
        let mut file = None;
        // A state that comes back is the same file again. Sent as a difference to what came between, which
        // is one to itself, it would make the pack unreadable.
        if keeps_file(filter) && sides.there.insert(blob) {
            // Boxed, since its future is large and a clone has no use for it.
            file = Some(Box::pin(file_entry(app, state, known, past, &sides.bases)).await?);
            sides.bases.insert(blob);
            written.insert(blob);
        }
        pieces.push(Piece { past, files, file });
    }
    let mut items = Vec::with_capacity(pieces.len() * 5);
    for piece in pieces.iter().rev() {
        items.push(PackItem::Raw { kind: Kind::Commit, data: &piece.past.row.commit_raw });
    }
    for piece in &pieces {
        push_files(&mut items, &mut written, &piece.files, filter);
        items.extend(piece.file.clone().map(PackItem::Entry));
    }
    push_wanted(&mut items, &mut written, state, plan);
    Ok(Some(write_pack(&items)))
}

/// Depth of the marketplace file below the root: `.claude-plugin/marketplace.json`.
const FILE_DEPTH: u32 = 2;

fn keeps_file(filter: ObjectFilter) -> bool {
    filter.blob_limit.is_none() && filter.tree_depth.is_none_or(|depth| depth > FILE_DEPTH)
}

fn push_files<'a>(
    items: &mut Vec<PackItem<'a>>,
    written: &mut HashSet<ObjectId>,
    files: &'a Files,
    filter: ObjectFilter,
) {
    for tree in &files.trees.trees {
        if filter.tree_depth.is_none_or(|depth| tree.depth < depth) && written.insert(tree.id) {
            items.push(PackItem::Raw { kind: Kind::Tree, data: &tree.data });
        }
    }
    let keeps_readme = filter.blob_limit.is_none() && filter.tree_depth.is_none_or(|depth| depth > 1);
    if keeps_readme && written.insert(hash_object(Kind::Blob, files.readme.as_bytes())) {
        items.push(PackItem::Raw { kind: Kind::Blob, data: files.readme.as_bytes() });
    }
}

/// Objects wanted by id, of the state as it is now. The whole is so small that a tree brings all of it.
fn push_wanted<'a>(
    items: &mut Vec<PackItem<'a>>,
    written: &mut HashSet<ObjectId>,
    state: &'a MarketplaceState,
    plan: &Plan,
) {
    let trees = &state.files.trees.trees;
    let wants_tree = trees.iter().any(|tree| plan.objects.contains(&tree.id));
    let everything = wants_tree && plan.filter.is_none();
    for tree in trees {
        if (everything || plan.objects.contains(&tree.id)) && written.insert(tree.id) {
            items.push(PackItem::Raw { kind: Kind::Tree, data: &tree.data });
        }
    }
    let readme = state.files.readme.as_bytes();
    let readme_id = hash_object(Kind::Blob, readme);
    if (everything || plan.objects.contains(&readme_id)) && written.insert(readme_id) {
        items.push(PackItem::Raw { kind: Kind::Blob, data: readme });
    }
    let file = state.document.id();
    if (everything || plan.objects.contains(&file)) && written.insert(file) {
        items.push(PackItem::Entry(state.document.entry()));
    }
}

/// The marketplace file of one step: a difference to the step before where the client has that, or gets it in
/// this pack; else whole.
async fn file_entry(
    app: &App,
    state: &MarketplaceState,
    known: &Known,
    past: &Past,
    bases: &HashSet<ObjectId>,
) -> Result<Rope> {
    let before = known.past.iter().find(|before| before.row.seq + 1 == past.row.seq);
    if let Some(before) = before
        && let Ok(base) = state.file_at(before)
        && bases.contains(&base)
    {
        if let Some(delta) = &past.row.delta {
            return Ok(Rope::from(past.difference(|| delta_entry(base, delta))));
        }
        if let Some(delta) = made_delta(app, before, past).await? {
            return Ok(Rope::from(delta_entry(base, &delta)));
        }
    }
    whole(app, state, past).await
}

async fn made_delta(app: &App, before: &Past, past: &Past) -> Result<Option<Vec<u8>>> {
    let (old, new) = (document_at(app, before).await?, document_at(app, past).await?);
    Ok(old.zip(new).and_then(|(old, new)| new.delta_from(&old)))
}

async fn whole(app: &App, state: &MarketplaceState, past: &Past) -> Result<Rope> {
    if state.document.id() == state.file_at(past)? {
        return Ok(state.document.entry());
    }
    match document_at(app, past).await? {
        Some(document) => Ok(document.entry()),
        None => {
            Err(Error::internal(format!("step {} is permitted but cannot be rendered again", past.row.seq)))
        }
    }
}
