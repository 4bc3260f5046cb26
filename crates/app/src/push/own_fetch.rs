//! Use cases of a creator's fetch from their own source: the second machine. Refuses everybody else.

use std::{io, sync::Arc};

use bytes::Bytes;
use skaas_domain::scope::Need;
use skaas_git::{
    ObjectId,
    source_repo::{SourceAnswer, SourceRefs, SourceRepo},
    upload_pack::{Command, Limits, ProtocolError, Version, parse_v0, parse_v2},
};
use skaas_store::sources;
use tokio::sync::mpsc;

use super::{
    MAIN, check_owner,
    source_copy::{self, blocking},
    source_lock::hold,
};
use crate::{
    actor::Actor,
    app::App,
    code::Code,
    error::{Error, Result},
    fetch::no_such_repo,
    limits::PackSlot,
    oid::oid,
};

/// Pieces of a body that wait for a slow reader.
const WAITING_PIECES: usize = 8;
/// Bytes of a piece.
const PIECE: usize = 64 * 1024;

struct Own {
    repo: Arc<SourceRepo>,
    refs: Vec<(String, ObjectId)>,
}

async fn open(app: &App, actor: &Actor, creator: &str, source_name: &str) -> Result<Own> {
    check_owner(actor, creator, source_name, &Need::Pull)?;
    let mut conn = app.store.read().await?;
    let source = sources::find(&mut conn, actor.require_viewer()?.user().id, source_name)
        .await?
        .ok_or_else(no_such_repo)?;
    let refs = sources::refs(&mut conn, source.id).await?;
    drop(conn);
    let _while_opening = hold(app, source.id, None).await?;
    let repo = source_copy::open(app, source.id).await?;
    Ok(Own { repo, refs: refs.into_iter().map(|r| (r.name, oid(r.target))).collect() })
}

/// The body of `info/refs?service=git-upload-pack` for a creator's own source.
pub async fn own_refs(
    app: &App,
    actor: &Actor,
    creator: &str,
    source_name: &str,
    version: Version,
) -> Result<Bytes> {
    let own = open(app, actor, creator, source_name).await?;
    blocking(move || own.repo.advertise_fetch(version, SourceRefs { refs: &own.refs, head: MAIN }))
        .await?
        .map_err(Error::internal)
}

/// Answers one POST to `git-upload-pack` of a creator's own source; the body comes in pieces as it is read.
pub async fn own_pack(
    app: &App,
    actor: &Actor,
    creator: &str,
    source_name: &str,
    version: Version,
    body: &[u8],
) -> Result<mpsc::Receiver<Bytes>> {
    let malformed = |error: ProtocolError| Error::refused(Code::Malformed, error.to_string());
    let command = match version {
        Version::V2 => parse_v2(body, &Limits::default()).map_err(malformed)?,
        Version::V0 | Version::V1 => {
            Command::Fetch(Box::new(parse_v0(body, &Limits::default()).map_err(malformed)?))
        }
    };
    let own = open(app, actor, creator, source_name).await?;
    let (sender, receiver) = mpsc::channel(WAITING_PIECES);
    let slot = PackSlot::new(app.packs.take(actor.require_viewer()?.user().id).await?);
    tokio::task::spawn_blocking(move || {
        let outcome = answer(&own, &command, &sender);
        if let Err(error) = outcome {
            // The reader has gone away, or our files failed: either way their pack is incomplete.
            tracing::warn!(event = "own_fetch_ended", reason = %error);
        }
        drop(slot);
    });
    Ok(receiver)
}

fn answer(own: &Own, command: &Command, sender: &mpsc::Sender<Bytes>) -> io::Result<()> {
    let refs = SourceRefs { refs: &own.refs, head: MAIN };
    let whole = match command {
        Command::Probe => Bytes::new(),
        Command::LsRefs(request) => own.repo.ls_refs(request, refs).map_err(io::Error::other)?,
        Command::Fetch(request) => match own.repo.fetch(request, refs).map_err(io::Error::other)? {
            SourceAnswer::Reply(reply) => reply,
            SourceAnswer::Pack(pack) => {
                let mut out = io::BufWriter::with_capacity(PIECE, Pieces(sender));
                pack.write(&mut out)?;
                return io::Write::flush(&mut out);
            }
        },
    };
    io::Write::write_all(&mut Pieces(sender), &whole)
}

/// Hands on what is written, and waits while the reader is slow.
struct Pieces<'a>(&'a mpsc::Sender<Bytes>);

impl io::Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        if !bytes.is_empty() {
            self.0.blocking_send(Bytes::copy_from_slice(bytes)).map_err(gone)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
