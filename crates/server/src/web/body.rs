//! Reads request bodies piece by piece, with bounded patience for a slow sender.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use skaas_app::{Code, Error};
use tokio::time::Instant;

use crate::pace::Pace;

/// The next piece of `body`; `None` at its end.
pub(crate) async fn next_piece(body: &mut Body, pace: &mut Pace) -> Result<Option<Bytes>, Error> {
    loop {
        let began = Instant::now();
        let frame = tokio::time::timeout(pace.left(), body.frame())
            .await
            .map_err(|_| Error::refused(Code::Incomplete, "the request stalled; nothing was changed"))?;
        pace.spend(began.elapsed());
        match frame {
            None => return Ok(None),
            Some(Err(_)) => {
                return Err(Error::refused(Code::Incomplete, "the request broke off; nothing was changed"));
            }
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    pace.earn(data.len());
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// Reads on for a little, so that the connection can be used again after an early answer.
pub(crate) async fn drain(body: &mut Body, stall: Duration) {
    const AT_MOST: usize = 64 * 1024;
    let (mut read, mut pace) = (0, Pace::new(stall));
    while read < AT_MOST
        && let Ok(Some(piece)) = next_piece(body, &mut pace).await
    {
        read += piece.len();
    }
}
