//! The slowest pace at which a client may send or receive. Time that the server itself spends working doesn't count.
//!
//! Limiting silence alone is not enough: one byte before each deadline would hold a place indefinitely. So waiting uses
//! up patience, and transferred bytes restore it, at the slowest pace that is accepted.

use std::{
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use crate::guests::State;

/// Bytes in a second that keep patience as it is.
const SLOWEST: u32 = 4096;

/// How much longer the other side may keep us waiting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    full: Duration,
    left: Duration,
}

impl Pace {
    /// With all patience.
    pub(crate) fn new(full: Duration) -> Self {
        Self { full, left: full }
    }

    /// What is left of it.
    pub(crate) fn left(&self) -> Duration {
        self.left
    }

    /// Time went by in waiting.
    pub(crate) fn spend(&mut self, waited: Duration) {
        self.left = self.left.saturating_sub(waited);
    }

    /// Bytes came, or were taken.
    pub(crate) fn earn(&mut self, bytes: usize) {
        let earned = Duration::from_secs(1) * u32::try_from(bytes).unwrap_or(u32::MAX) / SLOWEST;
        self.left = self.full.min(self.left.saturating_add(earned));
    }
}

/// A stream whose reader keeps pace, or is given up.
pub(crate) struct PacedStream<S> {
    stream: S,
    pace: Pace,
    blocked: Option<(Instant, Pin<Box<Sleep>>)>,
    /// Told whether an answer waits for its reader.
    watcher: Option<Arc<State>>,
}

impl<S> PacedStream<S> {
    pub(crate) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, pace: Pace::new(patience), blocked: None, watcher: None }
    }

    /// The same, telling `watcher` whether an answer waits for its reader.
    pub(crate) fn watched_by(mut self, watcher: Arc<State>) -> Self {
        self.watcher = Some(watcher);
        self
    }

    fn tell(&self, blocked: bool) {
        if let Some(watcher) = &self.watcher {
            watcher.blocked.store(blocked, Ordering::Relaxed);
        }
    }

    /// Counts what a write came to; while it waits, patience runs out.
    fn count(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            if let Some((since, _)) = self.blocked.take() {
                self.pace.spend(since.elapsed());
                self.tell(false);
            }
            if let Ok(bytes) = written {
                self.pace.earn(bytes);
            }
            return Poll::Ready(written);
        }
        if self.blocked.is_none() {
            self.tell(true);
        }
        let left = self.pace.left();
        let (_, end) = self.blocked.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
        ready!(end.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the reader does not keep pace")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PacedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PacedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, from);
        self.count(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, from);
        self.count(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A request's body whose sender keeps pace, or is given up: nobody holds a connection with a form that never
/// comes.
pub(crate) struct PacedBody {
    body: Body,
    pace: Pace,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl PacedBody {
    /// `body` from a sender who may keep us waiting for `patience`.
    pub(crate) fn new(body: Body, patience: Duration) -> Self {
        Self { body, pace: Pace::new(patience), waiting: None }
    }
}

impl http_body::Body for PacedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            if let Some((since, _)) = self.waiting.take() {
                self.pace.spend(since.elapsed());
            }
            if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
                self.pace.earn(data.len());
            }
            return Poll::Ready(frame);
        }
        let left = self.pace.left();
        let (_, end) = self.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
        ready!(end.as_mut().poll(cx));
        let stalled = io::Error::new(io::ErrorKind::TimedOut, "the sender does not keep pace");
        Poll::Ready(Some(Err(axum::Error::new(stalled))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_uses_patience_up_and_a_steady_pace_never_does() {
        let patience = Duration::from_mins(1);
        let lasts = |bytes: usize, pause: u64| {
            let mut pace = Pace::new(patience);
            (0..10_000)
                .take_while(|_| {
                    pace.spend(Duration::from_secs(pause));
                    let lives = !pace.left().is_zero();
                    pace.earn(bytes);
                    lives
                })
                .count()
        };
        assert!(lasts(1, 20) <= 3);
        assert!(lasts(1024, 5) <= 13);
        assert_eq!(lasts(5 * SLOWEST as usize, 5), 10_000);
        assert_eq!(lasts(usize::MAX, 59), 10_000);
    }

    #[test]
    fn patience_is_never_saved_up() {
        let mut pace = Pace::new(Duration::from_mins(1));
        pace.earn(1 << 30);
        assert_eq!(pace.left(), Duration::from_mins(1));
    }

    #[tokio::test]
    async fn a_reader_who_trickles_is_given_up_and_one_who_keeps_pace_gets_all() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

        for (piece, gets_all) in [(1, false), (4096, true)] {
            let (ours, mut theirs) = duplex(4096);
            let reading = tokio::spawn(async move {
                let mut piece = vec![0; piece];
                while theirs.read(&mut piece).await.is_ok_and(|count| count > 0) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            });
            let (mut stream, large) =
                (PacedStream::new(ours, Duration::from_millis(200)), vec![7; 64 * 1024]);
            let sent = tokio::time::timeout(Duration::from_secs(20), stream.write_all(&large)).await;
            let sent = sent.expect("it ends one way or the other");
            assert_eq!(sent.is_ok(), gets_all, "{sent:?}");
            reading.abort();
        }
    }
}
