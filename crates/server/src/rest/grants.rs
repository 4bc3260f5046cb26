//! `/api/grants`: authorized apps.

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

use super::{
    Answer,
    caller::Caller,
    refusals::{Absent, Away, Limited, TooOften, Unfit, Unknown},
};

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
        expires_at: application.expires_at,
        last_used_at: application.last_used_at,
    }
}

/// Lists the apps that the user authorized, most recent first.
#[utoipa::path(
    get, path = "/api/grants", tag = "grants", operation_id = "listGrants",
    security(("token" = ["account"]), ("oauth" = ["account"]), ("session" = [])),
    responses((status = 200, description = "100 at most", body = GrantList), Unknown, Limited, TooOften, Away)
)]
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Answer<Json<GrantList>> {
    let user = caller.allowed(&Need::Account { write: false })?;
    let all = applications::list(&app, user.id).await?;
    Ok(Json(GrantList { grants: all.into_iter().map(|one| info(one, caller.grant())).collect() }))
}

/// Revokes the access of an app: the next request with any of its tokens is refused.
#[utoipa::path(
    delete, path = "/api/grants/{id}", tag = "grants", operation_id = "revokeGrant",
    security(("token" = ["account"]), ("oauth" = ["account"]), ("session" = [], "csrf" = [])),
    params(("id" = String, Path, description = "As the list names it", example = "ogr_01jc0000000000000000000000")),
    responses((status = 204, description = "It is disconnected"), Unfit, Unknown, Limited, Absent, TooOften, Away)
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let user = caller.allowed(&Need::Account { write: true })?;
    let absent = || Error::NotFound("you have no authorized app with this ID".into());
    let id = id.parse().map_err(|_| absent())?;
    applications::revoke(&app, user.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
