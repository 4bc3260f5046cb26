//! Owns the switch between light and dark. Refuses to lead anywhere but back.

use axum::{extract::State, response::Response};
use skaas_domain::identity::return_path;

use crate::web::{Submitted, Theme, WebState, go};

pub(super) async fn switch(State(state): State<WebState>, Submitted(fields): Submitted) -> Response {
    let theme = Theme::parse(fields.get("theme"));
    go(return_path(fields.get("back")), theme.map(|theme| state.cookies.theme(theme)))
}
