//! Owns `/api/grants`: connected applications, seen from a program.

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use skaas_api::{GrantInfo, GrantList};
use skaas_app::{
    App, Error,
    oauth::applications::{self, Application},
};
use skaas_domain::{id::OauthGrantId, scope::Need};

use super::{Answer, caller::Caller};

fn info(application: Application, current: Option<OauthGrantId>) -> GrantInfo {
    GrantInfo {
        id: application.id.to_string(),
        current: current == Some(application.id),
        client_name: application.name,
        client_id: application.client_id,
        place: application.place,
        scopes: application.scopes.to_string(),
        resource: application.resource,
        created_at: application.since,
        last_used_at: application.last_used_at,
    }
}

/// The OAuth clients that the user let in and that may still come in, the latest first.
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Answer<Json<GrantList>> {
    let user = caller.allowed(&Need::Account { write: false })?;
    let all = applications::list(&app, user.id).await?;
    Ok(Json(GrantList { grants: all.into_iter().map(|one| info(one, caller.grant())).collect() }))
}

/// Disconnects an application: all its tokens are refused from their next request on, on every node.
pub(crate) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let user = caller.allowed(&Need::Account { write: true })?;
    let absent = || Error::NotFound("you have no such connected application".into());
    let id = id.parse().map_err(|_| absent())?;
    applications::revoke(&app, user.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
