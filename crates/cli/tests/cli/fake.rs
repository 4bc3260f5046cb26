//! A stand-in for the server: the endpoints that the command line uses, with tokens that can be revoked, and a
//! marketplace that real git can list. It can be made to lie about any field.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Form, Json, Router,
    body::to_bytes,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{any, delete, get, post},
};
use jiff::Timestamp;
use serde::Deserialize;
use skaas_api::{
    CLI_CLIENT_ID, CreatedToken, DEVICE_CODE_GRANT, DeviceAuthorizationRequest, DeviceAuthorizationResponse,
    DeviceTokenRequest, Links, Me, NewToken, OAuthError, OAuthErrorCode, Problem, RevocationRequest, Secret,
    TokenInfo, TokenList, TokenResponse,
};
use tokio::{net::TcpListener, sync::oneshot};

pub(crate) const TOKEN: &str = "sk_live_Xy12Ab9Q_0123456789abcdefghijklmnopqrstuvABCDEF";
pub(crate) const PREFIX: &str = "sk_live_Xy12Ab9Q";
const DEVICE_CODE: &str = "the-device-code";

/// What a poll is answered with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Poll {
    Error(OAuthErrorCode),
    Status(u16),
    /// 429, as the server says it, and when to come back, in seconds.
    Later(u64),
    Token,
}

#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) info: TokenInfo,
    pub(crate) username: String,
}

#[derive(Debug, Default)]
pub(crate) struct Inner {
    /// Answers to polls, in order; the last one stays.
    pub(crate) polls: VecDeque<Poll>,
    pub(crate) interval: u64,
    pub(crate) tokens: BTreeMap<String, Known>,
    pub(crate) asked: Vec<DeviceAuthorizationRequest>,
    /// Method and path of every request, with the scheme of its authorization.
    pub(crate) requests: Vec<String>,
    /// Values that replace those in the JSON answer of a path, by JSON pointer.
    pub(crate) forged: Vec<(&'static str, &'static str, serde_json::Value)>,
    /// Every answer is a redirect to this address.
    pub(crate) moved_to: Option<String>,
    pub(crate) without_rest_revocation: bool,
    address: String,
}

type Shared = Arc<Mutex<Inner>>;

/// A running stand-in; dropping it stops it.
pub(crate) struct Fake {
    inner: Shared,
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Fake {
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Shared::default();
        {
            let mut state = inner.lock().unwrap();
            state.interval = 1;
            state.address = format!("http://{address}");
        }
        let (stop, stopped) = oneshot::channel();
        let router = router(Arc::clone(&inner));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    served = axum::serve(listener, router) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self { inner, address, stop: Some(stop), thread: Some(thread) }
    }

    /// One that has already handed out [`TOKEN`] to alice.
    pub(crate) fn with_alice() -> Self {
        let fake = Self::start();
        fake.lock().tokens.insert(TOKEN.to_owned(), known(TOKEN, "laptop", "alice"));
        fake
    }

    pub(crate) fn answering(polls: &[Poll]) -> Self {
        let fake = Self::start();
        fake.lock().polls = polls.iter().copied().collect();
        fake
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Makes it lie about one field of one answer, and about nothing else.
    pub(crate) fn lies(
        &self,
        path: &'static str,
        pointer: &'static str,
        value: impl Into<serde_json::Value>,
    ) {
        self.lock().forged = vec![(path, pointer, value.into())];
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn marketplace(&self) -> String {
        format!("{}/u/alice/marketplace.git", self.url())
    }

    pub(crate) fn alive(&self, token: &str) -> bool {
        self.lock().tokens.get(token).is_some_and(|known| known.info.revoked_at.is_none())
    }

    pub(crate) fn revoke(&self, token: &str) {
        self.lock().tokens.get_mut(token).unwrap().info.revoked_at = Some(Timestamp::UNIX_EPOCH);
    }

    /// Stops it; the port is closed when this returns.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop();
    }
}

fn known(token: &str, name: &str, username: &str) -> Known {
    let prefix = token.rsplit_once('_').unwrap().0;
    let info = TokenInfo {
        id: format!("tok_{}", prefix.rsplit('_').next().unwrap()),
        name: name.to_owned(),
        prefix: prefix.to_owned(),
        scopes: "full".into(),
        current: false,
        created_at: Timestamp::UNIX_EPOCH,
        last_used_at: None,
        last_used_from: None,
        expires_at: None,
        revoked_at: None,
        parent: None,
    };
    Known { info, username: username.to_owned() }
}

fn router(state: Shared) -> Router {
    Router::new()
        .route("/oauth/device_authorization", post(authorize))
        .route("/oauth/token", post(redeem))
        .route("/oauth/revoke", post(oauth_revoke))
        .route("/api/me", get(me))
        .route("/api/tokens", get(list).post(create))
        .route("/api/tokens/{id}", delete(revoke))
        .route("/{space}/marketplace.git/{*rest}", any(marketplace))
        .route("/u/{user}/marketplace.git/{*rest}", any(users_marketplace))
        .layer(from_fn_with_state(Arc::clone(&state), watch))
        .with_state(state)
}

async fn watch(State(state): State<Shared>, request: Request, next: Next) -> Response {
    let scheme = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let scheme = scheme.and_then(|value| value.split_once(' ')).map_or("-", |(scheme, _)| scheme).to_owned();
    let path = request.uri().path().to_owned();
    let (moved, forged) = {
        let mut state = state.lock().unwrap();
        state.requests.push(format!("{} {} {scheme}", request.method(), request.uri()));
        let forged = state.forged.iter().filter(|(at, ..)| *at == path).cloned().collect::<Vec<_>>();
        (state.moved_to.clone(), forged)
    };
    match moved {
        Some(to) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response(),
        None if forged.is_empty() => next.run(request).await,
        None => forge(next.run(request).await, forged).await,
    }
}

async fn forge(response: Response, forged: Vec<(&'static str, &'static str, serde_json::Value)>) -> Response {
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let mut document: serde_json::Value = serde_json::from_slice(&body).unwrap();
    for (_, pointer, value) in forged {
        *document.pointer_mut(pointer).unwrap() = value;
    }
    (status, Json(document)).into_response()
}

fn oauth(code: OAuthErrorCode) -> Response {
    (StatusCode::BAD_REQUEST, Json(OAuthError::new(code, "as the script says"))).into_response()
}

async fn authorize(State(state): State<Shared>, Form(form): Form<DeviceAuthorizationRequest>) -> Response {
    let mut state = state.lock().unwrap();
    assert_eq!(form.client_id, CLI_CLIENT_ID);
    if form.scope.as_deref() == Some("everything") {
        return oauth(OAuthErrorCode::InvalidScope);
    }
    state.asked.push(form);
    Json(DeviceAuthorizationResponse {
        device_code: Secret::new(DEVICE_CODE),
        user_code: "BCDF-GHJK".into(),
        verification_uri: format!("{}/device", state.address),
        verification_uri_complete: Some(format!("{}/device?user_code=BCDF-GHJK", state.address)),
        expires_in: 900,
        interval: state.interval,
    })
    .into_response()
}

async fn redeem(State(state): State<Shared>, Form(form): Form<DeviceTokenRequest>) -> Response {
    assert_eq!((&*form.grant_type, form.device_code.reveal()), (DEVICE_CODE_GRANT, DEVICE_CODE));
    let mut state = state.lock().unwrap();
    let poll = if state.polls.len() > 1 { state.polls.pop_front() } else { state.polls.front().copied() };
    match poll.unwrap_or(Poll::Error(OAuthErrorCode::AuthorizationPending)) {
        Poll::Error(code) => oauth(code),
        Poll::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Poll::Later(seconds) => {
            let error = OAuthError::new(OAuthErrorCode::TemporarilyUnavailable, "as the script says");
            let headers = [(header::RETRY_AFTER, seconds.to_string())];
            (StatusCode::TOO_MANY_REQUESTS, headers, Json(error)).into_response()
        }
        Poll::Token => {
            let name = state.asked.last().and_then(|asked| asked.device_name.clone()).unwrap_or_default();
            state.tokens.insert(TOKEN.to_owned(), known(TOKEN, &name, "alice"));
            Json(TokenResponse {
                access_token: Secret::new(TOKEN),
                token_type: "Bearer".into(),
                expires_in: None,
                refresh_token: None,
                scope: Some("full".into()),
            })
            .into_response()
        }
    }
}

fn problem(status: StatusCode, detail: &str) -> Response {
    let body = Problem {
        kind: "x".into(),
        title: "x".into(),
        status: status.as_u16(),
        code: "x".into(),
        detail: detail.into(),
        action_url: None,
    };
    (status, Json(body)).into_response()
}

fn bearer(state: &Inner, headers: &HeaderMap) -> Result<(String, Known), Box<Response>> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer ").map(str::to_owned))
        .unwrap_or_default();
    match state.tokens.get(&token) {
        Some(known) if known.info.revoked_at.is_none() => Ok((token, known.clone())),
        _ => Err(Box::new(problem(StatusCode::UNAUTHORIZED, "sign in first"))),
    }
}

async fn me(State(state): State<Shared>, headers: HeaderMap) -> Response {
    let state = state.lock().unwrap();
    let (_, known) = match bearer(&state, &headers) {
        Ok(found) => found,
        Err(response) => return *response,
    };
    Json(Me {
        id: "usr_1".into(),
        username: known.username.clone(),
        email: Some(format!("{}@example.com", known.username)),
        email_verified: Some(true),
        created_at: Timestamp::UNIX_EPOCH,
        token: Some(TokenInfo { current: true, ..known.info }),
        links: Links {
            marketplace: format!("{}/u/{}/marketplace.git", state.address, known.username),
            account: format!("{}/account", state.address),
        },
    })
    .into_response()
}

async fn list(State(state): State<Shared>, headers: HeaderMap) -> Response {
    let state = state.lock().unwrap();
    match bearer(&state, &headers) {
        Err(response) => *response,
        Ok((mine, _)) => {
            let tokens = state
                .tokens
                .iter()
                .map(|(token, known)| TokenInfo { current: *token == mine, ..known.info.clone() })
                .collect();
            Json(TokenList { tokens }).into_response()
        }
    }
}

async fn create(State(state): State<Shared>, headers: HeaderMap, Json(wanted): Json<NewToken>) -> Response {
    let mut state = state.lock().unwrap();
    if let Err(response) = bearer(&state, &headers) {
        return *response;
    }
    if wanted.scopes.as_deref() == Some("everything") {
        return problem(StatusCode::FORBIDDEN, "this token may not give that\u{1b}[31m away");
    }
    let token = "sk_live_NewToken_0123456789abcdefghijklmnopqrstuvABCDEF";
    let mut made = known(token, &wanted.name, "alice");
    made.info.scopes = wanted.scopes.unwrap_or_else(|| "full".into());
    made.info.expires_at = wanted
        .expires_in
        .map(|seconds| Timestamp::from_second(4_000_000_000 + i64::try_from(seconds).unwrap()).unwrap());
    state.tokens.insert(token.to_owned(), made.clone());
    Json(CreatedToken { token: Secret::new(token), info: made.info }).into_response()
}

async fn revoke(State(state): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let mut state = state.lock().unwrap();
    let mine = match bearer(&state, &headers) {
        Ok((mine, _)) => mine,
        Err(response) => return *response,
    };
    if id == "current" && state.without_rest_revocation {
        return StatusCode::NOT_FOUND.into_response();
    }
    let found = state
        .tokens
        .iter_mut()
        .find(|(token, known)| known.info.id == id || (id == "current" && **token == mine));
    match found {
        Some((_, known)) => known.info.revoked_at = Some(Timestamp::UNIX_EPOCH),
        None => return problem(StatusCode::NOT_FOUND, "no such token"),
    }
    StatusCode::NO_CONTENT.into_response()
}

async fn oauth_revoke(State(state): State<Shared>, Form(form): Form<RevocationRequest>) -> StatusCode {
    if let Some(known) = state.lock().unwrap().tokens.get_mut(form.token.reveal()) {
        known.info.revoked_at = Some(Timestamp::UNIX_EPOCH);
    }
    StatusCode::OK
}

#[derive(Deserialize)]
struct UsersRest {
    user: String,
}

async fn users_marketplace(
    state: State<Shared>,
    Path(rest): Path<UsersRest>,
    headers: HeaderMap,
) -> Response {
    advertise(&state, &headers, Some(&rest.user))
}

async fn marketplace(state: State<Shared>, headers: HeaderMap) -> Response {
    advertise(&state, &headers, None)
}

fn advertise(state: &Shared, headers: &HeaderMap, whose: Option<&str>) -> Response {
    let state = state.lock().unwrap();
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let right = state.tokens.iter().any(|(token, known)| {
        known.info.revoked_at.is_none()
            && whose.is_none_or(|user| user == known.username)
            && sent == format!("Basic {}", base64(&format!("{}:{token}", known.username)))
    });
    if !right {
        let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"skaas\"")];
        return (StatusCode::UNAUTHORIZED, challenge, "sign in first\n").into_response();
    }
    let id = "0123456789abcdef0123456789abcdef01234567";
    let pkt = |text: &str| format!("{:04x}{text}", text.len() + 4);
    let body = [
        pkt("# service=git-upload-pack\n"),
        "0000".into(),
        pkt(&format!("{id} HEAD\0symref=HEAD:refs/heads/main agent=fake\n")),
        pkt(&format!("{id} refs/heads/main\n")),
        "0000".into(),
    ];
    ([(header::CONTENT_TYPE, "application/x-git-upload-pack-advertisement")], body.concat()).into_response()
}

fn base64(text: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |group: u32, at: u32| char::from(LETTERS[(group >> (18 - 6 * at) & 63) as usize]);
    text.as_bytes()
        .chunks(3)
        .flat_map(|chunk| {
            let group = (0..3).fold(0, |sum, at| (sum << 8) | u32::from(chunk.get(at).copied().unwrap_or(0)));
            let kept = u32::try_from(chunk.len()).unwrap();
            (0..4).map(move |at| if at <= kept { letter(group, at) } else { '=' })
        })
        .collect()
}
