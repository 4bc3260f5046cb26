//! The smallest smart-HTTP server: info/refs, git-upload-pack, gzip; no users.

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use skaas_git::upload_pack::{
    Answer, Command, FetchRequest, Limits, Version, advertise, answer, ls_refs, parse_v0, parse_v2,
    reads_boundary,
};

use crate::world::World;

type Shared = Arc<Mutex<World>>;

/// A running server; it stops when dropped, and then no leak may have been noted.
pub(crate) struct Server {
    world: Shared,
    address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(world: World) -> Self {
        let world = Arc::new(Mutex::new(world));
        let app = Router::new()
            .route("/repo.git/info/refs", get(info_refs))
            .route("/repo.git/git-upload-pack", post(upload_pack))
            .with_state(world.clone());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    served = axum::serve(listener, app) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self { world, address, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/repo.git", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
        if !std::thread::panicking() {
            assert_eq!(self.world().leaks, Vec::<String>::new());
        }
    }
}

fn version(headers: &HeaderMap) -> Version {
    Version::from_header(headers.get("git-protocol").map(|value| value.to_str().unwrap()))
}

async fn info_refs(State(world): State<Shared>, headers: HeaderMap) -> Response {
    let mut world = world.lock().unwrap();
    let Some(budget) = world.budget.checked_sub(1) else { return out_of_budget() };
    world.budget = budget;
    let refs = world.stale_refs.clone().unwrap_or_else(|| world.refs());
    let agent = headers.get(header::USER_AGENT).map(|value| value.to_str().unwrap());
    let shallow = if reads_boundary(agent) { world.boundary(&refs) } else { Vec::new() };
    let kind = "application/x-git-upload-pack-advertisement";
    ([(header::CONTENT_TYPE, kind)], advertise(version(&headers), &refs, &shallow)).into_response()
}

async fn upload_pack(State(world): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let mut world = world.lock().unwrap();
    let Some(budget) = world.budget.checked_sub(1) else { return out_of_budget() };
    world.budget = budget;
    let body = inflated(&headers, body);
    world.posts.push(body.clone());
    let parsed = match version(&headers) {
        Version::V2 => parse_v2(&body, &Limits::default()),
        Version::V0 | Version::V1 => {
            parse_v0(&body, &Limits::default()).map(|request| Command::Fetch(Box::new(request)))
        }
    };
    let reply: Bytes = match parsed {
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
        Ok(Command::Probe) => Bytes::new(),
        Ok(Command::LsRefs(request)) => {
            let refs = world.stale_refs.clone().unwrap_or_else(|| world.refs());
            ls_refs(&request, &refs)
        }
        Ok(Command::Fetch(request)) => fetch(&mut world, &request),
    };
    ([(header::CONTENT_TYPE, "application/x-git-upload-pack-result")], reply).into_response()
}

/// Answers a fetch and writes its pack.
pub(crate) fn fetch(world: &mut World, request: &FetchRequest) -> Bytes {
    let refs = world.refs();
    let all = request.needs_history(&refs, world.whole());
    let answered = world.with_history(all, |history, allowed| answer(request, &refs, history, allowed));
    match answered {
        Answer::Reply(reply) => reply,
        Answer::Pack(plan) => {
            let pack = world.pack(&plan);
            let framed = pack.framed(plan.side_band).to_vec();
            [plan.prelude.as_ref(), &framed, &plan.trailer].concat().into()
        }
    }
}

fn inflated(headers: &HeaderMap, body: Bytes) -> Bytes {
    if headers.get(header::CONTENT_ENCODING).is_none() {
        return body;
    }
    let mut out = Vec::new();
    flate2::read::GzDecoder::new(body.as_ref()).read_to_end(&mut out).unwrap();
    out.into()
}

fn out_of_budget() -> Response {
    (StatusCode::TOO_MANY_REQUESTS, "too many requests for one test").into_response()
}
