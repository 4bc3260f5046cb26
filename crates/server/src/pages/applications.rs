//! Owns the list of applications that a person let in. Refuses to let one in: that is the consent page's.

use askama::Template;
use axum::{extract::State, response::Response};
use skaas_app::{
    Error,
    oauth::{
        api_resource,
        applications::{self, Application},
        mcp_resource,
    },
};

use super::{Frame, Member, Moment, PageError, PagesState, Query, Submitted, frame::show, go};

/// One application.
struct Row {
    id: String,
    name: String,
    place: String,
    may: Vec<String>,
    resource: String,
    since: Moment,
    used: Option<Moment>,
}

#[derive(Template)]
#[template(path = "applications.html")]
struct Applications {
    frame: Frame,
    mcp: String,
    rows: Vec<Row>,
}

fn row(state: &PagesState, application: Application) -> Row {
    let now = state.app.now();
    let resource = match application.resource {
        mcp if mcp == mcp_resource(&state.app) => "our MCP tools".to_owned(),
        api if api == api_resource(&state.app) => "our REST interface".to_owned(),
        // From before a client that named none got what the REST interface takes.
        none if none.is_empty() => "nothing any more".to_owned(),
        // An address that this installation had before.
        other => other,
    };
    Row {
        id: application.id.to_string(),
        name: application.name,
        place: application.place,
        may: application.scopes.explain(),
        resource,
        since: Moment::new(application.since, now),
        used: Moment::maybe(application.last_used_at, now),
    }
}

pub(super) async fn page(
    State(state): State<PagesState>,
    Member { browser, signed_in }: Member,
    Query(query): Query,
) -> Result<Response, PageError> {
    let rows = applications::list(&state.app, signed_in.user.id).await?;
    let rows = rows.into_iter().map(|application| row(&state, application)).collect();
    let frame = browser.frame("applications");
    let frame = match query.get("done") {
        "disconnected" => {
            frame.noting("good", "Disconnected: it is refused from now on. To come in again it must ask you.")
        }
        _ => frame,
    };
    show(&Applications { frame, mcp: mcp_resource(&state.app), rows })
}

pub(super) async fn disconnect(
    State(state): State<PagesState>,
    Member { signed_in, .. }: Member,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let absent = || Error::NotFound("you have no such connected application".into());
    let id = fields.get("grant").parse().map_err(|_| absent())?;
    applications::revoke(&state.app, signed_in.user.id, id).await?;
    Ok(go("/account/applications?done=disconnected", []))
}
