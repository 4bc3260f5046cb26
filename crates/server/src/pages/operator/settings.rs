//! The settings in force on this node, and where each was set. Changing them takes a restart.

use askama::Template;
use axum::{extract::State, response::Response};

use crate::{
    config::InForce,
    web::{About, Frame, Member, PageError, Query, Results, View, WebState, show},
};

static VIEWS: [View<InForce>; 2] = [
    View { word: "", label: "All", holds: |_| true },
    View { word: "set", label: "Changed", holds: InForce::is_set },
];

#[derive(Template)]
#[template(path = "operator/settings.html")]
struct Settings {
    frame: Frame,
    settings: Results<InForce>,
}

pub(super) async fn page(
    State(state): State<WebState>,
    Member { browser, .. }: Member,
    Query(query): Query,
) -> Result<Response, PageError> {
    let about =
        About { path: "/operator/settings".to_owned(), nouns: ("setting", "settings"), views: &VIEWS };
    let searched = |one: &InForce| format!("{} {} {} {}", one.name, one.variable, one.value, one.origin);
    let settings = Results::of(about, &query, state.settings.to_vec(), searched);
    show(&Settings { frame: browser.frame("operator-settings"), settings })
}
