//! `/api/me/activity`: the owner's part of the audit log.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use serde::Deserialize;
use skaas_api::{ActivityInfo, ActivityList};
use skaas_app::{
    App, Code, Error,
    audit::{self, Activity},
};
use skaas_domain::hex;
use utoipa::IntoParams;

use super::{
    Answer,
    caller::Caller,
    refusals::{Away, Limited, TooOften, Unfit, Unknown},
};

/// How many entries are listed if the request doesn't say.
const USUAL: u32 = 100;

/// Which entries to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// The most entries to list: 100 if not given, 1000 at most.
    limit: Option<u32>,
}

fn info(activity: Activity) -> ActivityInfo {
    let some = |text: String| (!text.is_empty()).then_some(text);
    ActivityInfo {
        at: activity.at,
        action: activity.action,
        summary: activity.sentence,
        thing: some(activity.thing),
        outcome: activity.outcome.as_str().to_owned(),
        by: activity.by.as_str().to_owned(),
        address: activity.address,
        position: activity.seal.map(|seal| seal.position),
        hash: activity.seal.map(|seal| hex::encode(&seal.hash)),
    }
}

/// Lists what was done in the user's account, newest first: sign-ins, tokens, apps, grants and other changes.
///
/// Entries can't be changed or deleted. Fetches aren't listed.
#[utoipa::path(
    get, path = "/api/me/activity", tag = "account", operation_id = "listActivity",
    security(("token" = ["account"]), ("oauth" = ["account"]), ("session" = [])),
    params(Which),
    responses((status = 200, description = "The newest entries", body = ActivityList), Unfit, Unknown, Limited, TooOften, Away)
)]
pub(crate) async fn list(
    State(app): State<App>,
    Caller(actor): Caller,
    query: Result<Query<Which>, QueryRejection>,
) -> Answer<Json<ActivityList>> {
    let Query(Which { limit }) =
        query.map_err(|rejection| Error::refused(Code::Malformed, rejection.body_text()))?;
    let all = audit::own(&app, &actor, Some(limit.unwrap_or(USUAL))).await?;
    Ok(Json(ActivityList { activity: all.into_iter().map(info).collect() }))
}
