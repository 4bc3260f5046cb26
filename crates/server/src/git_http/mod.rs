//! Owns git over HTTP: URLs, headers, bodies and status codes of the smart protocol (gitprotocol-http).
//! Refuses to know what is served to whom: the use cases of `fetch` and `push` do.

mod body;
mod large;
mod meter;
mod path;

use std::{convert::Infallible, sync::Arc, time::Duration, time::Instant};

use app::{Actor, App, Code, Error, Presented, ProtocolVersion, authenticate, fetch, push};
use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{
    Stream, StreamExt as _,
    stream::{poll_fn, unfold},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use skaas_app as app;
use skaas_domain::{repo::Repo, scope::Need};

pub(crate) use self::path::{PREFIXES, addresses, is_git};
use self::{
    body::{BodyLimits, RopeBody, is_gzip, read_all},
    large::LargeRequests,
    meter::Meter,
    path::{Address, Endpoint, GitPath, Owner},
};
use crate::{
    client_address::ClientAddress,
    guests::Arrival,
    pace::Pace,
    watch::{Faults, name_in},
    web::{
        body::{drain, next_piece},
        credentials,
        problem::sentence,
    },
};

/// What of an upload-pack request is read at most: a few tens of thousands of `have` lines.
const REQUEST_BYTES: usize = 4 << 20;

/// What answering git needs besides the app.
pub(crate) struct GitState {
    app: App,
    /// Patience with a sender who does not keep pace.
    stall: Duration,
    /// Where faults are told.
    faults: Arc<Faults>,
    /// Large requests in memory.
    large: Arc<LargeRequests>,
    meter: Meter,
}

impl GitState {
    pub(crate) fn new(app: App, stall: Duration, faults: Arc<Faults>) -> Self {
        Self { app, stall, faults, large: Arc::default(), meter: Meter::default() }
    }
}

type Answer = Result<Response, Error>;

/// Answers every URL that [`is_git`].
pub(crate) async fn handle(state: &GitState, request: Request) -> Response {
    let started = Instant::now();
    let (parts, mut body) = request.into_parts();
    let path = GitPath::parse(parts.uri.path());
    let answer = match path {
        None => Err(no_such_page()),
        Some(git) => route(state, &parts, git, &mut body).await,
    };
    let mut response = match answer {
        Ok(response) => response,
        Err(error) => {
            // What is left unread would cost the client its connection.
            Box::pin(drain(&mut body, state.stall)).await;
            sentence(&error)
        }
    };
    if response.status().is_server_error() {
        let route = format!("git {} of a {}", meter::endpoint_word(path), meter::repo_word(path));
        let object = path.map_or_else(String::new, |git| object(git.address));
        state.faults.tell(&mut response, &route, &object);
    }
    state.meter.count(path, response.status(), started.elapsed());
    response
}

async fn route(state: &GitState, parts: &Parts, git: GitPath<'_>, body: &mut Body) -> Answer {
    let credentials = credentials::read(&parts.headers);
    let presented =
        credentials.as_ref().map(|c| Presented { username: c.username.as_deref(), secret: &c.secret });
    let from = ClientAddress::of(&parts.extensions);
    let actor = authenticate(&state.app, presented.as_ref(), from).await?;
    match (git.address, git.endpoint) {
        (_, Endpoint::Dumb) => Err(Error::refused(Code::GitUnsupported, DUMB)),
        (_, Endpoint::UploadArchive) => Ok(no_archives(&parts.method)),
        (Address::Source { creator, source }, endpoint) => {
            // Boxed, as all that is rare: axum copies what is not at every request, a push as a whole.
            Box::pin(source_route(state, parts, actor, (creator, source), endpoint, body)).await
        }
        (Address::Personal(owner, repo), endpoint) => {
            personal_route(state, parts, actor, (owner, repo), endpoint, body).await
        }
    }
}

const NO_ARCHIVES: &str =
    "git archive is not supported over HTTP; run git clone --depth=1, then git archive in the copy";
const DUMB: &str = "this server speaks git's smart protocol only; use git 1.6.6 or later";
const NOT_PUSHABLE: &str =
    "this repository is made for you and cannot be pushed to; creators push to /s/{creator}/{source}.git";

async fn personal_route(
    state: &GitState,
    parts: &Parts,
    actor: Actor,
    (owner, repo): (Owner<'_>, Repo<&str>),
    endpoint: Endpoint,
    body: &mut Body,
) -> Answer {
    let owner = match owner {
        Owner::Me => None,
        Owner::Named(username) => Some(username),
    };
    let opened = fetch::open(&state.app, &actor, owner, repo).await?;
    let version = version_of(&parts.headers);
    match (endpoint, &parts.method) {
        (Endpoint::InfoRefs, &Method::GET) => match service(parts) {
            Some("git-upload-pack") => {
                let agent = || parts.headers.get(header::USER_AGENT)?.to_str().ok();
                let refs = fetch::info_refs(&state.app, &opened, version, agent).await?;
                Ok(advertisement("git-upload-pack", refs.into()))
            }
            Some("git-receive-pack") => Err(Error::refused(Code::NotPushable, NOT_PUSHABLE)),
            Some("git-upload-archive") => Err(Error::refused(Code::GitUnsupported, NO_ARCHIVES)),
            _ => Err(Error::refused(Code::GitUnsupported, DUMB)),
        },
        (Endpoint::UploadPack, &Method::POST) => {
            let limits = BodyLimits { bytes: REQUEST_BYTES, stall: state.stall };
            let request = read_all(body, &parts.headers, limits, || state.large.take(opened.user())).await?;
            let reply = fetch::upload_pack(&state.app, &opened, version, &request.bytes).await?;
            if let (Some(slot), Some(arrival)) = (&reply.slot, parts.extensions.get::<Arrival>()) {
                let hangup = arrival.hangup.clone();
                slot.ends_by(move || hangup.now());
            }
            let body = Body::new(RopeBody::new(reply.body, reply.slot));
            Ok(result("application/x-git-upload-pack-result", body))
        }
        (Endpoint::ReceivePack, _) => Err(Error::refused(Code::NotPushable, NOT_PUSHABLE)),
        _ => Ok(method_not_allowed()),
    }
}

async fn source_route(
    state: &GitState,
    parts: &Parts,
    actor: Actor,
    (creator, source): (&str, &str),
    endpoint: Endpoint,
    body: &mut Body,
) -> Answer {
    let app = &state.app;
    match (endpoint, &parts.method, service(parts)) {
        (Endpoint::InfoRefs, &Method::GET, Some("git-receive-pack")) => {
            let refs = push::info_refs(app, &actor, creator, source).await?;
            Ok(advertisement("git-receive-pack", refs.into()))
        }
        (Endpoint::InfoRefs, &Method::GET, Some("git-upload-pack")) => {
            let refs = push::own_refs(app, &actor, creator, source, version_of(&parts.headers)).await?;
            Ok(advertisement("git-upload-pack", refs.into()))
        }
        (Endpoint::InfoRefs, &Method::GET, Some("git-upload-archive")) => {
            Err(Error::refused(Code::GitUnsupported, NO_ARCHIVES))
        }
        (Endpoint::InfoRefs, &Method::GET, _) => Err(Error::refused(Code::GitUnsupported, DUMB)),
        (Endpoint::UploadPack, &Method::POST, _) => {
            let limits = BodyLimits { bytes: REQUEST_BYTES, stall: state.stall };
            let user = actor.require(&Need::Myself)?.id;
            let place = || state.large.take(user);
            let request = read_all(body, &parts.headers, limits, place).await?;
            let version = version_of(&parts.headers);
            let mut own = push::own_pack(app, &actor, creator, source, version, &request.bytes).await?;
            let body = streamed(poll_fn(move |cx| own.poll_recv(cx)));
            Ok(result("application/x-git-upload-pack-result", body))
        }
        (Endpoint::ReceivePack, &Method::POST, _) => {
            let gzip = is_gzip(&parts.headers)?;
            let incoming = push::Incoming { pieces: Box::pin(pieces_of(body, state.stall)), gzip };
            let body = match push::receive(app, &actor, creator, source, incoming).await? {
                push::Received::Probe => Body::empty(),
                push::Received::Answer(mut pieces) => streamed(poll_fn(move |cx| pieces.poll_recv(cx))),
            };
            Ok(result("application/x-git-receive-pack-result", body))
        }
        _ => Ok(method_not_allowed()),
    }
}

/// The body of a request, for one who reads on while the answer is being sent.
fn pieces_of(body: &mut Body, stall: Duration) -> impl Stream<Item = Result<Bytes, Error>> + Send + use<> {
    let body = std::mem::take(body);
    unfold((body, Pace::new(stall)), async |(mut body, mut pace)| {
        let piece = next_piece(&mut body, &mut pace).await.transpose()?;
        Some((piece, (body, pace)))
    })
}

fn streamed(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Body {
    Body::from_stream(pieces.map(Ok::<_, Infallible>))
}

/// The service that an `info/refs` request names; `None` in the dumb protocol.
fn service(parts: &Parts) -> Option<&str> {
    parts.uri.query()?.split('&').find_map(|pair| pair.strip_prefix("service="))
}

fn version_of(headers: &HeaderMap) -> ProtocolVersion {
    ProtocolVersion::from_header(headers.get("git-protocol").and_then(|value| value.to_str().ok()))
}

fn advertisement(service: &'static str, refs: Body) -> Response {
    let kind = match service {
        "git-upload-pack" => "application/x-git-upload-pack-advertisement",
        _ => "application/x-git-receive-pack-advertisement",
    };
    result(kind, refs)
}

/// An answer of the protocol: never kept by anybody on the way.
fn result(kind: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, private"));
    headers.insert(header::VARY, HeaderValue::from_static("authorization, git-protocol"));
    response
}

/// The answer to `git archive --remote`, for every repository alike. git shows it as `remote error: …`.
fn no_archives(method: &Method) -> Response {
    match *method {
        Method::POST => result("application/x-git-upload-archive-result", fetch::refusal(NO_ARCHIVES).into()),
        _ => method_not_allowed(),
    }
}

/// RFC 9110, 15.5.6: with the methods that there are.
fn method_not_allowed() -> Response {
    let headers = [(header::ALLOW, "GET, POST"), (header::CACHE_CONTROL, "no-store")];
    let words = "this address takes GET for info/refs and POST for git's services\n";
    (StatusCode::METHOD_NOT_ALLOWED, headers, words).into_response()
}

/// What is answered for a path that is no repository's, to anybody.
fn no_such_page() -> Error {
    Error::refused(Code::NoSuchPage, "there is nothing at this address; a repository's ends in .git")
}

/// What a fault was about: names of skills and people, never anything else that a path may hold.
fn object(address: Address<'_>) -> String {
    match address {
        Address::Personal(Owner::Named(owner), Repo::Marketplace) => name_in(owner).to_owned(),
        Address::Personal(Owner::Me, Repo::Marketplace) => String::new(),
        Address::Personal(_, Repo::Skill(skill)) => name_in(skill).to_owned(),
        Address::Source { creator, source } => format!("{}/{}", name_in(creator), name_in(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of what a function's future holds while it waits.
    fn size_of_future<A, B, F: Future>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn no_request_carries_the_future_of_a_rare_one() {
        let size = size_of_future(handle);
        assert!(size <= 2048, "{size} bytes are moved into a box at every request");
    }
}
