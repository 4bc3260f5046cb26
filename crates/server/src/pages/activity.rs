//! The Activity page: a person's own part of the audit log.

use askama::Template;
use axum::{extract::State, response::Response};
use skaas_app::audit::{self, Activity, By, Outcome};

use crate::web::{About, Frame, Member, Moment, PageError, Query, Results, View, WebState, show};

/// One entry.
struct Row {
    sentence: String,
    thing: String,
    is_refused: bool,
    by: &'static str,
    address: String,
    at: Moment,
    /// The word of the action up to its dot.
    family: String,
}

#[derive(Template)]
#[template(path = "activity.html")]
struct Page {
    frame: Frame,
    entries: Results<Row>,
}

/// The views of the list.
static VIEWS: [View<Row>; 4] = [
    View { word: "", label: "All", holds: |_| true },
    View { word: "sign-in", label: "Sign-in", holds: |row| is_sign_in(&row.family) },
    View { word: "access", label: "Tokens and apps", holds: |row| matches!(&*row.family, "token" | "app") },
    View {
        word: "skills",
        label: "Skills",
        holds: |row| matches!(&*row.family, "grant" | "listing" | "price" | "release"),
    },
];

fn is_sign_in(family: &str) -> bool {
    matches!(family, "session" | "password" | "identity" | "passkey" | "totp" | "recovery")
}

/// Who acted, as the page says it.
const fn by(by: By) -> &'static str {
    match by {
        By::Browser => "You, in a browser",
        By::ApiToken => "API token",
        By::App => "Authorized app",
        By::Owner => "You",
        By::Visitor => "Someone not signed in",
        By::Operator => "The operator of this server",
        By::Server => "This server",
    }
}

/// What a search looks through.
fn searched(row: &Row) -> String {
    format!("{} {} {} {}", row.sentence, row.thing, row.by, row.address)
}

pub(super) async fn page(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
    Query(query): Query,
) -> Result<Response, PageError> {
    let now = state.app.now();
    let row = |activity: Activity| Row {
        family: activity.action.split('.').next().unwrap_or_default().to_owned(),
        is_refused: activity.outcome == Outcome::Refused,
        sentence: activity.sentence,
        thing: activity.thing,
        by: by(activity.by),
        address: activity.address.unwrap_or_default(),
        at: Moment::new(activity.at, now),
    };
    let rows = audit::own(&state.app, &actor, None).await?.into_iter().map(row).collect();
    let about = About { path: "/account/activity".to_owned(), nouns: ("entry", "entries"), views: &VIEWS };
    let entries = Results::of(about, &query, rows, searched);
    show(&Page { frame: browser.frame("activity"), entries })
}
