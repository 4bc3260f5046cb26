//! `/api/sessions`: the owner's browser sessions.

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use skaas_api::{SessionInfo, SessionList};
use skaas_app::{App, Code, Error, accounts::Rejected, sessions};
use skaas_domain::{id::SessionId, session::Session};

use super::{
    Answer,
    caller::Caller,
    refusals::{Absent, Away, Limited, TooOften, Unfit, Unknown},
};

fn info(session: &Session, current: Option<SessionId>) -> SessionInfo {
    SessionInfo {
        id: session.id.to_string(),
        current: current == Some(session.id),
        agent: Some(session.place.agent.clone()).filter(|text| !text.is_empty()),
        address: Some(session.place.address.clone()).filter(|text| !text.is_empty()),
        created_at: session.created_at,
        seen_at: session.seen_at,
        expires_at: session.ends_at(),
    }
}

/// Lists the user's browser sessions, most recently used first.
#[utoipa::path(
    get, path = "/api/sessions", tag = "sessions", operation_id = "listSessions",
    security(("token" = ["account"]), ("oauth" = ["account"]), ("session" = [])),
    responses((status = 200, description = "100 at most", body = SessionList), Unknown, Limited, TooOften, Away)
)]
pub(crate) async fn list(State(app): State<App>, Caller(actor): Caller) -> Answer<Json<SessionList>> {
    let all = sessions::list(&app, &actor).await?;
    Ok(Json(SessionList { sessions: all.iter().map(|session| info(session, actor.session())).collect() }))
}

/// Ends a browser session immediately.
#[utoipa::path(
    delete, path = "/api/sessions/{id}", tag = "sessions", operation_id = "revokeSession",
    security(("token" = ["account"]), ("oauth" = ["account"]), ("session" = [], "csrf" = [])),
    params(("id" = String, Path, description = "As the list names it", example = "ses_01jc0000000000000000000000")),
    responses((status = 204, description = "It has ended"), Unfit, Unknown, Limited, Absent, TooOften, Away)
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    sessions::revoke(&app, &actor, &id).await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

fn refused(rejected: Rejected) -> Error {
    match rejected {
        Rejected::Other(error) => error,
        Rejected::Stale => Error::refused(
            Code::RecentSignInRequired,
            "ending another session in a browser needs a sign-in from the past 15 minutes; sign in again first",
        ),
        other => Error::refused(Code::BrowserOnly, other.to_string()),
    }
}
