//! The body of a push as it arrives: inflated, bounded, and read to its end even when the push is refused.

use std::{io::Write as _, pin::Pin};

use bytes::{Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use futures_util::{Stream, StreamExt as _, stream::Fuse};
use skaas_git::receive_pack::CommandReader;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};

use crate::{
    app::App,
    code::Code,
    error::{Error, Result},
    limits::Place,
};

/// Commands and framing come on top of the pack.
const BESIDE_THE_PACK: u64 = 8 << 20;
/// Compressed bytes inflated at once: they become a thousand times as many at most.
const INFLATED_AT_ONCE: usize = 4096;
/// Bytes of commands up to which a push needs no place: most change one ref or two.
const FEW_COMMANDS: u64 = 512 << 10;
/// How many times the limit is read of a refused push, so that git reads the answer: it reports "RPC failed"
/// when the connection closes while it sends.
const DISCARDED: u64 = 4;

/// A request's body in pieces. It ends with an error when the sender stalls or leaves.
pub type BodyPieces = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// A push's body as sent.
pub struct Incoming {
    /// Its bytes.
    pub pieces: BodyPieces,
    /// Whether they are gzipped.
    pub gzip: bool,
}

/// The body of a push.
pub(super) struct Body {
    /// Asked again after its end, when a push is refused for what it lacks.
    pieces: Fuse<BodyPieces>,
    gzip: Option<MultiGzDecoder<Vec<u8>>>,
    /// Sent, and not yet inflated.
    sent: Bytes,
    /// Ready to be read.
    ready: BytesMut,
    /// Bytes that became ready so far.
    length: u64,
    limit: u64,
    /// The largest pack, for the refusal.
    pack_limit: u64,
}

impl Body {
    pub(super) fn new(incoming: Incoming, pack_limit: u64) -> Self {
        let Incoming { pieces, gzip } = incoming;
        Self {
            pieces: pieces.fuse(),
            gzip: gzip.then(|| MultiGzDecoder::new(Vec::new())),
            sent: Bytes::new(),
            ready: BytesMut::new(),
            length: 0,
            limit: pack_limit + BESIDE_THE_PACK,
            pack_limit,
        }
    }

    /// Reads up to the pack.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] for what is not the protocol, or too much of it; what `take_place` says once they are
    /// many. `reader` keeps what came before.
    pub(super) async fn commands(
        &mut self,
        reader: &mut CommandReader,
        take_place: impl Fn() -> Result<Place>,
    ) -> Result<Option<Place>> {
        let mut place = None;
        while !reader
            .read(&mut self.ready)
            .map_err(|error| Error::refused(Code::Malformed, error.to_string()))?
        {
            if !self.more().await? {
                return Err(Error::refused(Code::Incomplete, "the push ended before its commands did"));
            }
            if self.length > FEW_COMMANDS && place.is_none() {
                place = Some(take_place()?);
            }
        }
        Ok(place)
    }

    /// Writes the rest, which is the pack, to a file that vanishes when it is closed.
    pub(super) async fn spool(&mut self, app: &App) -> Result<std::fs::File> {
        let scratch = &app.config.scratch;
        tokio::fs::create_dir_all(scratch).await.map_err(Error::internal)?;
        let file = tempfile::tempfile_in(scratch).map_err(Error::internal)?;
        let mut file = tokio::fs::File::from_std(file);
        loop {
            let ready = self.ready.split();
            file.write_all(&ready).await.map_err(Error::internal)?;
            if !self.more().await? {
                break;
            }
        }
        file.flush().await.map_err(Error::internal)?;
        file.rewind().await.map_err(Error::internal)?;
        Ok(file.into_std().await)
    }

    /// Reads the rest and keeps nothing of it.
    pub(super) async fn discard(mut self) {
        let mut left = self.limit * DISCARDED;
        self.ready = BytesMut::new();
        while let Some(Ok(piece)) = self.pieces.next().await {
            left = left.saturating_sub(piece.len() as u64);
            if left == 0 {
                return;
            }
        }
    }

    /// Makes more bytes ready; whether there were any.
    async fn more(&mut self) -> Result<bool> {
        if self.sent.is_empty() {
            match self.pieces.next().await {
                Some(piece) => self.sent = piece?,
                None => return self.end(),
            }
        }
        let before = self.ready.len();
        match &mut self.gzip {
            None => self.ready.extend_from_slice(&std::mem::take(&mut self.sent)),
            Some(gzip) => {
                let part = self.sent.split_to(self.sent.len().min(INFLATED_AT_ONCE));
                gzip.write_all(&part).map_err(|_| not_gzip())?;
                self.ready.extend_from_slice(&std::mem::take(gzip.get_mut()));
            }
        }
        self.count(self.ready.len() - before)?;
        Ok(true)
    }

    fn end(&mut self) -> Result<bool> {
        let Some(mut gzip) = self.gzip.take() else { return Ok(false) };
        gzip.try_finish().map_err(|_| not_gzip())?;
        let last = std::mem::take(gzip.get_mut());
        self.ready.extend_from_slice(&last);
        self.count(last.len())?;
        Ok(!last.is_empty())
    }

    fn count(&mut self, bytes: usize) -> Result<()> {
        self.length += bytes as u64;
        if self.length > self.limit {
            return Err(Error::refused(
                Code::TooLarge,
                format!(
                    "the push is larger than {} MiB, the most that this server takes; nothing of it was kept",
                    self.pack_limit >> 20
                ),
            ));
        }
        Ok(())
    }
}

fn not_gzip() -> Error {
    Error::refused(Code::InvalidEncoding, "the body is not valid gzip")
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};
    use skaas_git::receive_pack::ParseLimits;

    use super::*;
    use crate::code::Kind;

    fn body(bytes: &[u8], gzip: bool, limit: u64) -> Body {
        let pieces: Vec<_> = bytes.chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        Body::new(Incoming { pieces: Box::pin(futures_util::stream::iter(pieces)), gzip }, limit)
    }

    fn gzipped(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    async fn pack_of(mut body: Body) -> Result<Vec<u8>> {
        let none = || panic!("there is one packet line");
        body.commands(&mut CommandReader::new(ParseLimits::default()), none).await?;
        let mut pack = body.ready.split().to_vec();
        while body.more().await? {
            pack.extend_from_slice(&body.ready.split());
        }
        Ok(pack)
    }

    #[tokio::test]
    async fn a_body_is_read_plain_gzipped_and_gzipped_in_members() {
        let plain = [b"0000PACK".as_slice(), &[7; 10_000]].concat();
        let members = [gzipped(&plain[..5_000]), gzipped(&plain[5_000..])].concat();
        for (sent, gzip) in [(plain.clone(), false), (gzipped(&plain), true), (members, true)] {
            assert!(pack_of(body(&sent, gzip, 1 << 20)).await.unwrap() == plain[4..]);
        }
        for broken in [b"no gzip".to_vec(), gzipped(&plain)[..40].to_vec()] {
            assert!(
                pack_of(body(&broken, true, 1 << 20)).await.is_err_and(|error| error.kind() == Kind::Invalid)
            );
        }
    }

    #[tokio::test]
    async fn a_bomb_is_refused_at_the_limit_of_its_inflated_size() {
        let plain = [b"0000".as_slice(), &vec![0; 10 << 20]].concat();
        let refused = pack_of(body(&gzipped(&plain), true, 1 << 20)).await;
        assert!(refused.is_err_and(|error| error.kind() == Kind::TooLarge));
    }
}
