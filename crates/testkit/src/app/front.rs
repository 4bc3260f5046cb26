//! What stands before several nodes: it hands each request to the next one, and keeps what was said.
//!
//! Owns: which node answers, a record of every exchange. Refuses to change a byte of either side.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use skaas_server::{Routes, TrustedProxies};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use super::{Node, TestApp, node};

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Which node answered.
    pub node: usize,
    /// Whose credentials came with it; none for the anonymous probe.
    pub username: Option<String>,
    /// The path with its query.
    pub path: String,
    /// What was asked, as it was sent.
    pub request: Vec<u8>,
    /// The status code.
    pub status: u16,
    /// What was answered.
    pub answer: Vec<u8>,
    /// What [`Front::on_request`]'s function said before the node was asked.
    pub from: u64,
    /// What it said after the last byte.
    pub to: u64,
}

type Moment = dyn Fn(&str, bool) -> u64 + Send + Sync;

struct Inner {
    routers: Vec<Routes>,
    next: AtomicUsize,
    moment: Box<Moment>,
    exchanges: Mutex<Vec<Exchange>>,
}

/// The address before the nodes.
pub struct Front {
    port: u16,
    inner: Arc<Inner>,
    running: Option<(oneshot::Sender<()>, JoinHandle<bool>)>,
}

impl TestApp {
    /// Puts a front before some nodes. `moment` is asked with the path before each request (`true`) and
    /// after its answer (`false`) what moment it is; it may take its time over it, and let things happen.
    pub fn front(
        &self,
        nodes: &[&Node],
        moment: impl Fn(&str, bool) -> u64 + Send + Sync + 'static,
    ) -> Front {
        let routers = nodes.iter().map(|node| node.router()).collect();
        let inner = Arc::new(Inner {
            routers,
            next: AtomicUsize::new(0),
            moment: Box::new(moment),
            exchanges: Mutex::default(),
        });
        let router = Router::new().fallback(pass_on).with_state(Arc::clone(&inner));
        let (port, stop, served) = self.run(node::serve(router, TrustedProxies::default()));
        let front = Front { port, inner, running: Some((stop, served)) };
        self.remember_base(&front.url());
        front
    }

    /// Takes a front away; everything under way is finished first.
    pub fn take_away(&self, mut front: Front) {
        if let Some((stop, served)) = front.running.take() {
            // It may have ended by itself.
            let _ = stop.send(());
            assert!(self.run(served).expect("the front does not panic"), "a front had to leave connections");
        }
    }
}

impl Front {
    /// `http://127.0.0.1:{port}`, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Everything said since this was last asked.
    pub fn take_exchanges(&self) -> Vec<Exchange> {
        std::mem::take(&mut self.inner.exchanges.lock().expect("nobody panics while recording"))
    }
}

/// The largest request or answer that is passed on.
const LIMIT: usize = 64 << 20;

async fn pass_on(State(front): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let username = username(&parts.headers);
    let Ok(asked) = to_bytes(body, LIMIT).await else {
        return (http::StatusCode::BAD_REQUEST, "the request broke off").into_response();
    };
    let from = moment(&front, &path, true).await;
    let node = front.next.fetch_add(1, Ordering::SeqCst) % front.routers.len();
    let request = Request::from_parts(parts, Body::from(asked.clone()));
    let answer = front.routers[node].clone().oneshot(request).await.into_response();
    let (parts, body) = answer.into_parts();
    let answer = to_bytes(body, LIMIT).await.expect("a node's answer ends well");
    let to = moment(&front, &path, false).await;
    front.exchanges.lock().expect("nobody panics while recording").push(Exchange {
        node,
        username,
        path,
        request: asked.to_vec(),
        status: parts.status.as_u16(),
        answer: answer.to_vec(),
        from,
        to,
    });
    Response::from_parts(parts, Body::from(answer))
}

/// On a thread where it may block.
async fn moment(front: &Arc<Inner>, path: &str, before: bool) -> u64 {
    let (front, path) = (Arc::clone(front), path.to_owned());
    let asked = tokio::task::spawn_blocking(move || (front.moment)(&path, before));
    asked.await.expect("the function that tells the moment does not panic")
}

fn username(headers: &http::HeaderMap) -> Option<String> {
    let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
    let pair = BASE64_STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    pair.split_once(':').map(|(name, _)| name.to_owned())
}
