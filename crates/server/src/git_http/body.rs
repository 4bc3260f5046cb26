//! Bodies: a rope of shared slices as the body of an answer, and reading a request's body within bounds of size and time.
//! Packs are never copied.

use std::{
    convert::Infallible,
    io::Read as _,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use app::{Code, Error, PackSlot, Pieces, Rope};
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::{Frame, SizeHint};
use skaas_app as app;

use super::large::{LargeRequest, SMALL};
use crate::{pace::Pace, web::body::next_piece};

/// The first write is no larger than this, so that a small answer beside a large one is not kept waiting
/// by a full socket buffer.
const FIRST_WRITE: usize = 64 * 1024;

/// Pieces shorter than this are joined before they are sent: the copy costs less than the call.
const JOIN_BELOW: usize = 16 * 1024;

/// A rope on its way out, holding its place among the packs in flight until it is sent or dropped.
pub(crate) struct RopeBody {
    pieces: Pieces,
    rest: Bytes,
    started: bool,
    _slot: Option<PackSlot>,
}

impl RopeBody {
    pub(crate) fn new(rope: Rope, slot: Option<PackSlot>) -> Self {
        Self { pieces: rope.into_iter(), rest: Bytes::new(), started: false, _slot: slot }
    }
}

impl RopeBody {
    /// What goes out next: a large piece as it is, small ones joined. Each piece is one more entry of a vectored
    /// write, and a spliced marketplace has dozens of a few hundred bytes.
    fn next_piece(&mut self) -> Option<Bytes> {
        let rest = std::mem::take(&mut self.rest);
        let first = if rest.is_empty() { self.pieces.next()? } else { rest };
        if first.len() >= JOIN_BELOW {
            return Some(first);
        }
        let mut joined = BytesMut::with_capacity(FIRST_WRITE);
        joined.extend_from_slice(&first);
        for next in self.pieces.by_ref() {
            if next.len() >= JOIN_BELOW || joined.len() + next.len() > FIRST_WRITE {
                self.rest = next;
                break;
            }
            joined.extend_from_slice(&next);
        }
        Some(joined.freeze())
    }
}

impl http_body::Body for RopeBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(mut piece) = self.next_piece() else { return Poll::Ready(None) };
        if !self.started && piece.len() > FIRST_WRITE {
            self.rest = piece.split_off(FIRST_WRITE);
        }
        self.started = true;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.pieces.bytes_left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.pieces.bytes_left() + self.rest.len() as u64)
    }
}

/// What of a request's body is read at most, and how long the sender may keep it waiting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    /// Bytes, as sent and as inflated.
    pub(crate) bytes: usize,
    /// Patience with a sender who does not keep pace.
    pub(crate) stall: Duration,
}

/// Whether the body is gzipped. Codings are named in any case (RFC 9110, 8.4.1); others are refused.
pub(crate) fn is_gzip(headers: &HeaderMap) -> Result<bool, Error> {
    let Some(coding) = headers.get(header::CONTENT_ENCODING).map(http::HeaderValue::as_bytes) else {
        return Ok(false);
    };
    let is = |name: &str| coding.eq_ignore_ascii_case(name.as_bytes());
    if is("identity") {
        Ok(false)
    } else if is("gzip") || is("x-gzip") {
        Ok(true)
    } else {
        Err(Error::refused(
            Code::InvalidEncoding,
            "the request's content coding is not supported; send it plain or with gzip",
        ))
    }
}

/// A whole request body.
pub(crate) struct Whole {
    pub(crate) bytes: Bytes,
    _place: Option<LargeRequest>,
}

/// A whole request body, inflated where it is gzipped, or an error as soon as it grows beyond the limit. One
/// that is large needs a place, which `take` gives.
pub(crate) async fn read_all(
    body: &mut Body,
    headers: &HeaderMap,
    limits: BodyLimits,
    take: impl Fn() -> Result<LargeRequest, Error>,
) -> Result<Whole, Error> {
    let gzip = is_gzip(headers)?;
    let mut collected = BytesMut::new();
    let (mut first, mut taken, mut pace) = (None, None, Pace::new(limits.stall));
    while let Some(piece) = next_piece(body, &mut pace).await? {
        let size = collected.len() + first.as_ref().map_or(0, Bytes::len) + piece.len();
        if size > limits.bytes {
            return Err(too_large(limits.bytes));
        }
        if size > SMALL && taken.is_none() {
            taken = Some(take()?);
        }
        match first.take() {
            None if collected.is_empty() => first = Some(piece),
            None => collected.extend_from_slice(&piece),
            Some(one) => {
                collected.extend_from_slice(&one);
                collected.extend_from_slice(&piece);
            }
        }
    }
    let sent = first.unwrap_or_else(|| collected.freeze());
    let bytes = if gzip { inflate(&sent, limits.bytes)? } else { sent };
    if bytes.len() > SMALL && taken.is_none() {
        taken = Some(take()?);
    }
    Ok(Whole { bytes, _place: taken })
}

/// The plain bytes of a gzip file, which may have several members one after another (RFC 1952, 2.2).
fn inflate(sent: &[u8], limit: usize) -> Result<Bytes, Error> {
    let mut plain = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(sent).take(limit as u64 + 1);
    reader
        .read_to_end(&mut plain)
        .map_err(|_| Error::refused(Code::InvalidEncoding, "the body is not valid gzip"))?;
    if plain.len() > limit { Err(too_large(limit)) } else { Ok(plain.into()) }
}

fn too_large(limit: usize) -> Error {
    Error::refused(Code::TooLarge, format!("the request is larger than {} KiB", limit / 1024))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use http_body_util::BodyExt as _;
    use skaas_app::{Kind, RopeBuilder};

    use super::*;

    const LIMITS: BodyLimits = BodyLimits { bytes: 4096, stall: Duration::from_secs(5) };

    fn gzipped(plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    async fn read(body: Vec<u8>, encoding: &str) -> Result<Bytes, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, encoding.parse().unwrap());
        let none = || panic!("nothing here is large");
        read_all(&mut Body::from(body), &headers, LIMITS, none).await.map(|whole| whole.bytes)
    }

    #[tokio::test]
    async fn a_body_is_read_plain_and_gzipped_up_to_the_limit() {
        assert_eq!(read(b"0000".to_vec(), "identity").await.unwrap(), "0000");
        assert_eq!(read(gzipped(b"0000"), "gzip").await.unwrap(), "0000");
        assert!(read(vec![b'x'; 4097], "identity").await.is_err_and(|error| error.kind() == Kind::TooLarge));
        assert!(read(b"no gzip".to_vec(), "gzip").await.is_err_and(|error| error.kind() == Kind::Invalid));
        assert!(read(b"0000".to_vec(), "br").await.is_err_and(|error| error.kind() == Kind::Invalid));
    }

    #[tokio::test]
    async fn a_gzipped_body_may_have_several_members_and_its_coding_any_case() {
        for coding in ["gzip", "GZIP", "GZip", "x-gzip", "X-GZIP"] {
            let members = [gzipped(b"0014command"), gzipped(b""), gzipped(b"=ls-refs\n0000")].concat();
            assert_eq!(read(members, coding).await.unwrap(), "0014command=ls-refs\n0000", "{coding}");
        }
        assert_eq!(read(b"0000".to_vec(), "Identity").await.unwrap(), "0000");
        let cut = [gzipped(b"00"), gzipped(b"00")[..12].to_vec()].concat();
        assert!(
            read(cut, "gzip").await.is_err_and(|error| error.kind() == Kind::Invalid),
            "the second member is cut off"
        );
        let bombs = [gzipped(&[0; 3000]), gzipped(&[0; 3000])].concat();
        assert!(
            read(bombs, "gzip").await.is_err_and(|error| error.kind() == Kind::TooLarge),
            "members count together"
        );
        assert!(read(b"0000".to_vec(), "gzip, gzip").await.is_err_and(|error| error.kind() == Kind::Invalid));
    }

    #[tokio::test]
    async fn a_gzip_bomb_is_refused_at_the_limit_of_its_inflated_size() {
        let bomb = gzipped(&vec![0; 1 << 20]);
        assert!(bomb.len() < LIMITS.bytes, "it passes the limit as sent");
        assert!(read(bomb, "gzip").await.is_err_and(|error| error.kind() == Kind::TooLarge));
    }

    #[tokio::test]
    async fn a_rope_is_sent_whole_with_its_length_known_and_a_small_first_write() {
        let rope = Rope::from(vec![7_u8; 200_000]);
        let mut body = Body::new(RopeBody::new(rope, None));
        assert_eq!(http_body::Body::size_hint(&body).exact(), Some(200_000));
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first.len(), FIRST_WRITE);
        assert_eq!(body.collect().await.unwrap().to_bytes().len(), 200_000 - FIRST_WRITE);
    }

    #[tokio::test]
    async fn small_pieces_leave_joined_and_nothing_is_lost() {
        let sizes = [5, 300, 20_000, 700, 400, 70_000, 1, 15_000, 15_000, 15_000, 15_000, 15_000, 9];
        let mut builder = RopeBuilder::new();
        let mut expected = Vec::new();
        for (number, size) in (0_u8..).zip(sizes) {
            let piece = vec![number; size];
            expected.extend_from_slice(&piece);
            builder.push(piece.into());
        }
        let mut body = RopeBody::new(builder.finish(), None);
        let (mut sent, mut frames) = (Vec::new(), 0);
        while let Some(frame) = body.frame().await {
            let left = http_body::Body::size_hint(&body).exact().unwrap();
            sent.extend_from_slice(&frame.unwrap().into_data().unwrap());
            assert_eq!(left, (expected.len() - sent.len()) as u64);
            frames += 1;
        }
        assert!(sent == expected && frames < sizes.len(), "{frames} frames");
    }
}
