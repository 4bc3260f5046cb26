//! What an operator sees first: what there is, what is to be done, and how the node is.

use askama::Template;
use axum::{extract::State, response::Response};
use skaas_app::{health::Part, operators};

use crate::web::{Frame, Member, Moment, PageError, WebState, show};

/// A user with the role.
struct Row {
    username: String,
    since: Moment,
    by: String,
}

#[derive(Template)]
#[template(path = "operator/overview.html")]
struct Page {
    frame: Frame,
    overview: operators::Overview,
    oldest: String,
    troubles: Vec<Part>,
    operators: Vec<Row>,
}

pub(super) async fn page(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
) -> Result<Response, PageError> {
    let overview = operators::overview(&state.app, &actor).await?;
    let now = state.app.now();
    let readiness = &overview.readiness;
    let troubles = readiness.stopped_by.iter().chain(&readiness.degraded_by).copied().collect();
    let row = |one: &operators::Operator| Row {
        username: one.user.username.clone(),
        since: Moment::new(one.added_at, now),
        by: one.added_by.clone(),
    };
    let operators = overview.operators.iter().map(row).collect();
    let oldest = waiting(overview.backlog.oldest);
    show(&Page { frame: browser.frame("operator"), overview, oldest, troubles, operators })
}

/// How long the oldest job has waited, in words; nothing for less than a minute.
fn waiting(oldest: jiff::SignedDuration) -> String {
    match oldest.as_mins() {
        ..1 => String::new(),
        1 => "1 minute".to_owned(),
        minutes @ 2..120 => format!("{minutes} minutes"),
        minutes => format!("{} hours", minutes / 60),
    }
}
