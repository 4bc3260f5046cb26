//! `/api/applications`: authorized apps.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, Uri, header};
use skaas_api::{ApplicationInfo, ApplicationList};
use skaas_app::{
    App,
    oauth::applications::{self, Application},
};
use skaas_domain::id::OauthGrantId;

use super::{
    Answer,
    caller::Caller,
    refusals::{Absent, Away, Limited, TooOften, Unfit, Unknown},
};

fn info(application: Application, current: Option<OauthGrantId>) -> ApplicationInfo {
    ApplicationInfo {
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
    get, path = "/api/applications", tag = "applications", operation_id = "listApplications",
    security(("token" = ["account"]), ("oauth" = ["account"]), ("session" = [])),
    responses((status = 200, description = "100 at most", body = ApplicationList), Unknown, Limited, TooOften, Away)
)]
pub(crate) async fn list(State(app): State<App>, Caller(actor): Caller) -> Answer<Json<ApplicationList>> {
    let all = applications::list(&app, &actor).await?;
    Ok(Json(ApplicationList { applications: all.into_iter().map(|one| info(one, actor.grant())).collect() }))
}

/// Revokes the access of an app: the next request with any of its tokens is refused.
#[utoipa::path(
    delete, path = "/api/applications/{id}", tag = "applications", operation_id = "revokeApplication",
    security(("token" = ["account"]), ("oauth" = ["account"]), ("session" = [], "csrf" = [])),
    params(("id" = String, Path, description = "As the list names it", example = "ogr_01jc0000000000000000000000")),
    responses((status = 204, description = "It is disconnected"), Unfit, Unknown, Limited, Absent, TooOften, Away)
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    applications::revoke(&app, &actor, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends clients of the old address, `/api/grants`, to this one. 308 keeps the method.
pub(crate) async fn moved(uri: Uri) -> Response {
    let rest = uri.path().strip_prefix("/api/grants").unwrap_or_default();
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, format!("/api/applications{rest}"))]).into_response()
}
