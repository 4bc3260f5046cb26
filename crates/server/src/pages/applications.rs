//! The apps that a person authorized, and revoking their access. The consent page is where they are authorized.

use askama::Template;
use axum::{extract::State, response::Response};
use skaas_app::{
    Code, Error,
    oauth::{
        api_resource,
        applications::{self, Application},
        mcp_resource,
    },
};

use super::confirm::Confirm;
use crate::web::{
    About, Frame, Member, Moment, PageError, Query, Results, Submitted, Tone, WebState, go, show,
};

/// One application.
struct Row {
    id: String,
    name: String,
    place: String,
    may: Vec<String>,
    resource: String,
    since: Moment,
    until: Moment,
    used: Option<Moment>,
}

#[derive(Template)]
#[template(path = "applications.html")]
struct Applications {
    frame: Frame,
    mcp: String,
    apps: Results<Row>,
}

fn row(state: &WebState, application: Application) -> Row {
    let now = state.app.now();
    let resource = match application.resource {
        mcp if mcp == mcp_resource(&state.app) => "MCP tools".to_owned(),
        api if api == api_resource(&state.app) => "REST API".to_owned(),
        // Authorized before apps had to name a resource: its tokens are accepted nowhere.
        none if none.is_empty() => "nothing".to_owned(),
        // This installation had another address then.
        other => other,
    };
    Row {
        id: application.id.to_string(),
        name: application.name,
        place: application.place,
        may: application.scopes.explain(),
        resource,
        since: Moment::new(application.since, now),
        until: Moment::new(application.expires_at, now),
        used: Moment::maybe(application.last_used_at, now),
    }
}

pub(super) async fn page(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
    Query(query): Query,
) -> Result<Response, PageError> {
    let rows = applications::list(&state.app, &actor).await?;
    let rows = rows.into_iter().map(|application| row(&state, application)).collect();
    let frame = browser.frame("applications");
    let frame = match query.get("done") {
        "disconnected" => {
            frame.noting(Tone::Ok, "Access revoked. The app must ask you before it can act for you again.")
        }
        _ => frame,
    };
    let about = About { path: "/account/applications".to_owned(), nouns: ("app", "apps"), views: &[] };
    let apps = Results::of(about, &query, rows, |row: &Row| format!("{} {}", row.name, row.place));
    show(&Applications { frame, mcp: mcp_resource(&state.app), apps })
}

/// `GET /account/applications/disconnect?application=…`
pub(super) async fn ask(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
    Query(query): Query,
) -> Result<Response, PageError> {
    let id = query.get("application").to_owned();
    let all = applications::list(&state.app, &actor).await?;
    let app = all.into_iter().find(|app| app.id.to_string() == id);
    let app = app
        .ok_or_else(|| Error::refused(Code::NoSuchApplication, "you have no authorized app with this ID"))?;
    Confirm {
        frame: browser.frame("applications"),
        question: format!("Revoke access of {}?", app.name),
        consequences: vec![
            format!("The app at {} can no longer act for you, starting with its next request.", app.place),
            "It must ask you again before it can come back.".to_owned(),
        ],
        action: "/account/applications/disconnect".into(),
        fields: vec![("application", id)],
        reason: None,
        tick: None,
        verb: "Revoke access",
        back: "/account/applications".into(),
    }
    .show()
}

pub(super) async fn disconnect(
    State(state): State<WebState>,
    Member { actor, .. }: Member,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    applications::revoke(&state.app, &actor, fields.get("application")).await?;
    Ok(go("/account/applications?done=disconnected", []))
}
