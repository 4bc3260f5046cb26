//! Owns connections: accepting them, their timeouts, their orderly end. Refuses to know what they carry.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use axum::{body::Body, extract::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1::Builder, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use skaas_app::quiet::Quiet;
use tokio::net::{TcpListener, TcpStream};
use tower::{Service, ServiceExt as _};

use crate::{
    client_address::TrustedProxies,
    guests::{Guest, Guests, Order},
    pace::PacedStream,
    request_path::spell_plainly,
};

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
    /// How many there may be at one moment. When all places are taken, a connection with nothing under way makes
    /// room for a newcomer from an address that has fewer; else the newcomer waits, unread.
    pub connections: usize,
    /// How many of them may come from one network address (of IPv6: one /64). Trusted proxies have no bound.
    pub connections_per_address: usize,
}

/// What answers requests: a clone of it each.
pub trait Answers:
    Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static
{
}

impl<S> Answers for S where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// Serves `routes` on `listener` until `stop` is done, then lets what is under way finish. Every request says
/// who made it, as far as the connection and the proxies tell.
///
/// HTTP/1.1 only: git speaks nothing else without TLS, and every proxy supports it. Detecting the version has no
/// deadline: a client that stays silent, or sends half of a preface, would hold its connection indefinitely.
///
/// Returns whether everything did within [`Patience::grace`].
pub async fn serve(
    listener: TcpListener,
    routes: impl Answers,
    Terms { patience, proxies, connections, connections_per_address }: Terms,
    stop: impl Future<Output = ()>,
) -> bool {
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(patience.head).max_buf_size(128 * 1024);
    let guests = Guests::new(connections, connections_per_address);
    let failures = Quiet::default();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let Some((stream, peer)) = admit(accepted, patience.stall, &failures).await else { continue };
        let (builder, routes, proxies, guests) =
            (builder.clone(), routes.clone(), proxies.clone(), Arc::clone(&guests));
        tokio::spawn(async move {
            // Who gets no place is not read, and costs little more than a file.
            let Ok(guest) = guests.enter(peer, proxies.trusts(peer)).await else { return };
            converse(&builder, stream, peer, routes, proxies, Arc::new(guest)).await;
        });
    }
    drop(listener);
    tokio::time::timeout(patience.grace, guests.close()).await.is_ok()
}

/// Serves one connection to its end.
async fn converse(
    builder: &Builder,
    stream: PacedStream<TcpStream>,
    peer: IpAddr,
    routes: impl Answers,
    proxies: TrustedProxies,
    guest: Arc<Guest>,
) {
    let state = Arc::clone(&guest.state);
    let stream = TokioIo::new(stream.watched_by(Arc::clone(&state)));
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        let client = proxies.client(peer, request.headers());
        request.extensions_mut().insert(guest.begins(client));
        spell_plainly(&mut request);
        let answering = routes.clone().oneshot(request.map(Body::new));
        let guest = Arc::clone(&guest);
        async move {
            let answer = answering.await;
            guest.answers();
            answer
        }
    });
    let mut connection = pin!(builder.serve_connection(stream, service));
    let (mut known, mut finishing) = (false, false);
    let outcome = poll_fn(|cx| {
        if !std::mem::replace(&mut known, true) {
            state.wakes(cx);
        }
        match state.order() {
            Order::End => return Poll::Ready(Ok(())),
            Order::Finish if !std::mem::replace(&mut finishing, true) => {
                connection.as_mut().graceful_shutdown();
            }
            Order::Finish | Order::Stay => {}
        }
        connection.as_mut().poll(cx)
    });
    if let Err(error) = outcome.await {
        tracing::debug!(event = "connection_ended", reason = %error);
    }
}

/// Makes the stream ready, or says why there is none.
async fn admit(
    accepted: std::io::Result<(TcpStream, SocketAddr)>,
    stall: Duration,
    failures: &Quiet,
) -> Option<(PacedStream<TcpStream>, IpAddr)> {
    match accepted {
        Ok((stream, address)) => {
            // Answers are written whole; waiting for more would only delay the last packet.
            let _ = stream.set_nodelay(true);
            Some((PacedStream::new(stream, stall), address.ip()))
        }
        Err(error) => {
            // Out of file descriptors, as a rule: the connections that end make room again.
            if let Some(more) = failures.say(tokio::time::Instant::now()) {
                tracing::warn!(event = "accept_failed", reason = %error, more);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
