//! Owns a skill's page, and the page that a stub's `/buy` opens. Refuses to take money: what cannot be paid here
//! yet is said, with the way that works.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use skaas_app::{Error, listings};
use skaas_domain::{
    entitlement::Access,
    listing::{Listing, ListingState},
};

use super::{Browser, Frame, PageError, PagesState, frame::show};

#[derive(Template)]
#[template(path = "skill.html")]
struct Page {
    frame: Frame,
    listing: Listing,
    version: Option<String>,
    price: String,
    repository: String,
    /// Whether whoever is signed in has all of it now.
    owned: bool,
    /// Whether the way to get it is what was asked for.
    buying: bool,
}

/// `GET /skills/{name}`.
pub(super) async fn page(
    State(state): State<PagesState>,
    browser: Browser,
    Path(name): Path<String>,
) -> Result<Response, PageError> {
    offer(&state, &browser, &name, false).await
}

/// `GET /buy/{name}`.
pub(super) async fn buy(
    State(state): State<PagesState>,
    browser: Browser,
    Path(name): Path<String>,
) -> Result<Response, PageError> {
    offer(&state, &browser, &name, true).await
}

async fn offer(
    state: &PagesState,
    browser: &Browser,
    name: &str,
    buying: bool,
) -> Result<Response, PageError> {
    let nobody = || Error::NotFound("there is no such skill on offer".into());
    let details = listings::find(&state.app, name).await.map_err(|error| match error {
        Error::NotFound(_) => nobody(),
        other => other,
    })?;
    let access = match &browser.session {
        Some(session) => Some(skaas_app::grants::access(&state.app, &session.user.username, name).await?),
        None => None,
    };
    let visible = details.listing.state == ListingState::Published
        || access.is_some_and(|access| access != Access::Hidden);
    if !visible {
        return Err(nobody().into());
    }
    let price = details.listing.price.map_or_else(|| "not on sale".to_owned(), |price| price.to_string());
    let listing = &details.listing;
    let frame = browser.frame("skill").described(
        &listing.name,
        &listing.description,
        format!("/skills/{}", listing.name),
    );
    show(&Page {
        frame,
        version: details.releases.last().map(|release| release.version.clone()),
        price,
        repository: state.app.voice().source_url(&details.listing.name),
        owned: matches!(access, Some(Access::Full { .. })),
        listing: details.listing,
        buying,
    })
}
