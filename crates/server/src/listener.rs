//! Owns connections: accepting them, their timeouts, their orderly end. Refuses to know what they carry.

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::Router;
use http::Request;
use hyper::server::conn::http1::Builder;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tower::ServiceExt as _;

use crate::{client_address::TrustedProxies, pace::PacedStream};

/// How long connections may keep silent.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the head of a request, the wait for one included.
    pub head: Duration,
    /// For a reader who does not keep pace with an answer.
    pub stall: Duration,
    /// For what is under way when the server is told to stop.
    pub grace: Duration,
}

/// On what terms connections are let in.
#[derive(Debug, Clone)]
pub struct Terms {
    /// How long they may keep silent.
    pub patience: Patience,
    /// Whom to believe about who asks.
    pub proxies: TrustedProxies,
    /// How many there may be at one moment; more wait in the system's queue, unread.
    pub connections: usize,
}

/// Serves `router` on `listener` until `stop` is done, then lets what is under way finish. Every request says
/// who made it, as far as the connection and the proxies tell.
///
/// HTTP/1.1 alone: git speaks nothing else without TLS, and every proxy can. Telling the versions apart would
/// have no deadline: whoever connects and stays silent, or sends half of a preface, would stay for ever.
///
/// Returns whether everything did within [`Patience::grace`].
pub async fn serve(
    listener: TcpListener,
    router: Router,
    Terms { patience, proxies, connections }: Terms,
    stop: impl Future<Output = ()>,
) -> bool {
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(patience.head).max_buf_size(128 * 1024);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(connections));
    let mut stop = pin!(stop);
    loop {
        // A place first: who gets none is not even accepted, and costs this program nothing.
        let next = async { (Arc::clone(&places).acquire_owned().await, listener.accept().await) };
        let (place, accepted) = tokio::select! {
            next = next => next,
            () = &mut stop => break,
        };
        let Some((stream, peer)) = admit(accepted, patience.stall).await else { continue };
        let proxies = proxies.clone();
        let service = TowerToHyperService::new(router.clone().map_request(move |mut request: Request<_>| {
            let client = proxies.client(peer, request.headers());
            request.extensions_mut().insert(client);
            request
        }));
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let watched = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = watched.await {
                tracing::debug!(event = "connection_ended", reason = %error);
            }
            drop(place);
        });
    }
    drop(listener);
    tokio::time::timeout(patience.grace, graceful.shutdown()).await.is_ok()
}

/// Makes the stream ready, or says why there is none.
async fn admit(
    accepted: std::io::Result<(TcpStream, SocketAddr)>,
    stall: Duration,
) -> Option<(PacedStream<TcpStream>, IpAddr)> {
    match accepted {
        Ok((stream, address)) => {
            // Answers are written whole; waiting for more would only delay the last packet.
            let _ = stream.set_nodelay(true);
            Some((PacedStream::new(stream, stall), address.ip()))
        }
        Err(error) => {
            // Out of file descriptors, as a rule: the connections that end make room again.
            tracing::warn!(event = "accept_failed", reason = %error);
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
