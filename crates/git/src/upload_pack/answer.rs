//! The answer to a fetch.
//!
//! Owns the checking of every want and the joining of negotiation and selection into one reply.
//! Refuses to write packs: it says what belongs into one.

use bytes::Bytes;
use gix_hash::ObjectId;

use super::advertise::is_git;
use super::history::{Copy, Graph};
use super::negotiation::{Preface, Round, acknowledge};
use super::plan::{Selection, Unreachable, select};
use super::{AllowedObjects, Commit, Deepen, FetchRequest, History, Refs, Version};
use crate::pack::ObjectFilter;
use crate::pkt_line::{FLUSH, MAX_DATA, put, put_line};
use crate::sideband::{SideBand, error, progress};

/// What a person reads whose new copy ends at the tip though they named no depth. Clients that asked for
/// no progress get it as well: `git fetch` refuses such a copy, in some versions with exit code 0.
pub const NO_HISTORY: &str = "Earlier versions are not included: you get the current one without history.\n\
    If git refuses that (\"shallow roots are not allowed to be updated\"), run\n\
    \x20   git fetch --depth=1 <repository>\n";

/// How to answer a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The whole body: acknowledgements, a boundary, or a refusal in words.
    Reply(Bytes),
    /// A body with a pack in it.
    Pack(Box<Plan>),
}

/// A body with a pack: `prelude`, the pack in `side_band` packets, `trailer`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Everything before the pack, [`NO_HISTORY`] included.
    pub prelude: Bytes,
    /// Commits to send, each step before the steps below it. All are permitted. With each goes its
    /// tree's closure, less what `filter` leaves out and what the trees of `has` contain.
    pub commits: Vec<ObjectId>,
    /// Known commits that the client says it has, newest first. Objects of their trees may be left
    /// out of the pack. They need not be permitted: name nothing of theirs, see `delta_bases`.
    pub has: Vec<ObjectId>,
    /// Those of `has` whose objects may serve as delta bases: permitted, and certainly complete on
    /// the client's side. Empty unless thin packs are understood.
    pub delta_bases: Vec<ObjectId>,
    /// Trees and blobs wanted by id, all allowed. A tree goes with its closure as far as `filter`
    /// admits (the tree itself always goes); a blob always goes.
    pub objects: Vec<ObjectId>,
    /// What to leave out.
    pub filter: Option<ObjectFilter>,
    /// Deltas may name their base by its offset in the pack.
    pub ofs_delta: bool,
    /// How to wrap the pack.
    pub side_band: SideBand,
    /// Whether progress lines are welcome (only with a side-band).
    pub progress: bool,
    /// What follows the pack: a flush, or nothing where the pack is bare.
    pub trailer: Bytes,
}

/// Answers a fetch over one user's repository.
///
/// `history` is all of it where [`FetchRequest::needs_history`] says so, else at least the tip and the roots
/// of wanted tags. Whatever is asked, the plan names only permitted commits and allowed objects.
pub fn answer(
    request: &FetchRequest,
    refs: &Refs,
    history: &History<'_>,
    allowed: &dyn AllowedObjects,
) -> Answer {
    try_answer(request, refs, history, allowed)
        .unwrap_or_else(|refusal| Answer::Reply(refusal_reply(request, &refusal)))
}

/// A refusal where the client shows it. git shows an `ERR` packet over every protocol version. Over v0,
/// libgit2, isomorphic-git and dulwich drop it ("could not read from remote repository"). They do show
/// what comes through the side-band: libgit2 and isomorphic-git channel 2, dulwich and `JGit` channel 3.
fn refusal_reply(request: &FetchRequest, sentence: &str) -> Bytes {
    let in_band = request.version != Version::V2
        && request.negotiating
        && request.side_band != SideBand::None
        && !is_git(request.agent.as_deref());
    if !in_band {
        return error_reply(sentence);
    }
    let mut out = Vec::new();
    put_line(&mut out, "NAK");
    let line = format!("{sentence}\n");
    out.extend_from_slice(&progress(&line, request.side_band));
    out.extend_from_slice(&error(&line, request.side_band));
    out.extend_from_slice(FLUSH);
    out.into()
}

/// A refusal in words: one `ERR` packet, which git shows as `fatal: remote error: …`. Valid as the
/// whole body of any upload-pack answer, with status 200.
pub fn error_reply(sentence: &str) -> Bytes {
    const PREFIX: &[u8] = b"ERR ";
    let mut end = sentence.len().min(MAX_DATA - PREFIX.len() - 1);
    while !sentence.is_char_boundary(end) {
        end -= 1;
    }
    let mut out = Vec::with_capacity(end + 16);
    put(&mut out, &[PREFIX, &sentence.as_bytes()[..end], b"\n"]);
    out.into()
}

/// The wants of a request, judged.
#[derive(Default)]
struct Wanted<'a> {
    commits: Vec<&'a Commit>,
    objects: Vec<ObjectId>,
    refs: Vec<(String, ObjectId)>,
}

fn try_answer(
    request: &FetchRequest,
    refs: &Refs,
    history: &History<'_>,
    allowed: &dyn AllowedObjects,
) -> Result<Answer, String> {
    if request.wants.is_empty() && request.want_refs.is_empty() && !request.wait_for_done {
        return Ok(Answer::Reply(Bytes::new()));
    }
    if let Some(filter) = &request.unsupported_filter {
        return Err(format!(
            "the filter '{filter}' is not served here; use --filter=blob:none, blob:limit=<n> or tree:<depth>, or none"
        ));
    }
    let graph = Graph::new(history);
    let wanted = judge(request, refs, &graph, allowed)?;
    check_excluded_names(request, refs)?;
    let copy = Copy::new(&graph, &request.haves, &request.shallow);
    let selected = select(request, &graph, history.whole, &copy, &wanted.commits);
    let last_word = request.done || (request.version == Version::V2 && request.haves.is_empty());
    let ready = selected.is_ok() && wanted.commits.iter().all(|commit| meets(&graph, &copy, commit));
    let selection = match selected {
        Err(Unreachable) if last_word => return Err(explain(request, &copy).to_owned()),
        // The client may yet name a commit that is nearer.
        Err(Unreachable) => Selection::default(),
        Ok(selection) => selection,
    };
    let unasked_boundary = selection.unasked_boundary;
    let preface = Preface { shallow: selection.shallow, unshallow: Vec::new(), wanted_refs: wanted.refs };
    let round = acknowledge(request, &preface, &|id| graph.get(id).is_some(), ready);
    Ok(match round {
        Round::Reply(reply) => Answer::Reply(reply),
        Round::Pack(prelude) => {
            let bases = request.thin_pack && request.filter.is_none();
            let delta_bases =
                copy.has.iter().copied().filter(|id| bases && graph.permitted(id).is_some()).collect();
            Answer::Pack(Box::new(Plan {
                prelude: if unasked_boundary { with_notice(&prelude, request.side_band) } else { prelude },
                commits: selection.commits,
                has: copy.has,
                delta_bases,
                objects: wanted.objects,
                filter: request.filter,
                ofs_delta: request.ofs_delta,
                side_band: request.side_band,
                progress: !request.no_progress && request.side_band != SideBand::None,
                trailer: match request.side_band {
                    SideBand::None => Bytes::new(),
                    SideBand::Small | SideBand::Large => Bytes::from_static(FLUSH),
                },
            }))
        }
    })
}

fn with_notice(prelude: &Bytes, side_band: SideBand) -> Bytes {
    [prelude.as_ref(), &progress(NO_HISTORY, side_band)].concat().into()
}

/// Checks every want. What is not given and what does not exist are answered alike.
fn judge<'a>(
    request: &FetchRequest,
    refs: &Refs,
    graph: &Graph<'a>,
    allowed: &dyn AllowedObjects,
) -> Result<Wanted<'a>, String> {
    let not_ours = |id: &ObjectId| {
        format!("upload-pack: not our ref {id}; if your access has just changed, run the same command again")
    };
    let mut wanted = Wanted::default();
    for name in &request.want_refs {
        let id = refs.resolve(name).ok_or_else(|| format!("upload-pack: unknown ref {}", printable(name)))?;
        wanted.commits.push(graph.permitted(&id).ok_or_else(|| not_ours(&id))?);
        wanted.refs.push((name.clone(), id));
    }
    for id in &request.wants {
        if let Some(commit) = graph.permitted(id) {
            wanted.commits.push(commit);
        } else if graph.get(id).is_none() && allowed.tree_or_blob_allowed(id) {
            wanted.objects.push(*id);
        } else {
            return Err(not_ours(id));
        }
    }
    Ok(wanted)
}

/// `deepen-not` must name refs that exist; git shows which one does not.
fn check_excluded_names(request: &FetchRequest, refs: &Refs) -> Result<(), String> {
    let Some(Deepen::Excluding { not, .. }) = &request.deepen else { return Ok(()) };
    let exists = |name: &str| {
        ["", "refs/tags/", "refs/heads/"]
            .iter()
            .any(|prefix| refs.resolve(&format!("{prefix}{name}")).is_some())
    };
    match not.iter().find(|name| !exists(name)) {
        Some(name) => Err(format!("upload-pack: deepen-not is not a ref: {}", printable(name))),
        None => Ok(()),
    }
}

/// Whether the way down from `wanted` comes to something the client has, or has nowhere to go.
fn meets(graph: &Graph<'_>, copy: &Copy, wanted: &Commit) -> bool {
    let mut step = wanted;
    loop {
        if copy.has(&step.id) {
            return true;
        }
        match step.parents.first().and_then(|below| graph.get(below)) {
            Some(below) => step = below,
            None => return wanted.parents.is_empty(),
        }
    }
}

/// What a person can do who gets no pack.
fn explain(request: &FetchRequest, copy: &Copy) -> &'static str {
    if !copy.is_empty() || !request.haves.is_empty() {
        "your access changed since this copy was made, and the copy cannot follow across that change; \
         clone this repository again (fetching with --depth 1 works too)"
    } else if request.version != Version::V2 {
        "this repository has earlier versions that you do not have access to, and your client cannot make a \
         copy without them (git 1.9 or newer can); clone it with --depth 1"
    } else {
        "this repository cannot be cloned with a filter and without a depth; clone it without --filter, or add --depth 1"
    }
}

fn printable(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(200).collect()
}
