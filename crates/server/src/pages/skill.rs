//! A skill's page, which is also the page that a stub's `/buy` opens. It offers only what works: a button for
//! a free skill, and words where there is nothing to press yet.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use skaas_app::{
    grants,
    listings::{self, Details, Seen},
};
use skaas_domain::{entitlement::Access, listing::Listing, money::Price, prices::Prices};

use crate::web::{Browser, Frame, Member, PageError, Query, Submitted, Tone, WebState, go, show};

/// What the visitor can do about the skill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Offer {
    /// They have the full version.
    Theirs,
    /// It is free, and a button adds it.
    Free,
    /// It is free, and nobody is signed in.
    SignIn,
    /// It has a price, and payment is not set up.
    Unpaid,
    /// It has no price.
    NotForSale,
}

#[derive(Template)]
#[template(path = "skill.html")]
struct Page {
    frame: Frame,
    listing: Listing,
    version: Option<String>,
    /// Each of its prices; where there is none, words.
    prices: Vec<String>,
    repository: String,
    marketplace_name: String,
    offer: Offer,
}

/// `GET /skills/{name}` and `GET /buy/{name}`.
pub(super) async fn page(
    State(state): State<WebState>,
    browser: Browser,
    Path(name): Path<String>,
    Query(query): Query,
) -> Result<Response, PageError> {
    let Seen { details, standing } = listings::seen_by(&state.app, browser.actor.as_ref(), &name).await?;
    let Details { listing, releases } = details;
    let (title, path) = (listing.name.clone(), format!("/skills/{}", listing.name));
    let frame = browser.frame("skill").described(&title, &listing.description, path);
    let frame = match query.get("done") {
        "added" => {
            frame.noting(Tone::Ok, "Added. Update the marketplace in your agent to get the full version.")
        }
        _ => frame,
    };
    show(&Page {
        frame,
        version: releases.last().map(|release| release.version.clone()),
        prices: prices(&listing.prices),
        repository: state.app.voice().source_url(&listing.name),
        marketplace_name: state.app.voice().marketplace_name.clone(),
        offer: offer(&listing, standing),
        listing,
    })
}

fn offer(listing: &Listing, standing: Option<grants::Standing>) -> Offer {
    match (standing, &listing.prices) {
        (Some(standing), _) if standing.may_add_free => Offer::Free,
        (Some(standing), _) if matches!(standing.access, Access::Full { .. }) => Offer::Theirs,
        (None, prices) if prices.is_free() => Offer::SignIn,
        (_, prices) if prices.is_empty() => Offer::NotForSale,
        _ => Offer::Unpaid,
    }
}

fn prices(prices: &Prices) -> Vec<String> {
    match prices.first() {
        None => vec!["Not for sale".to_owned()],
        Some(Price::Free) => vec!["Free".to_owned()],
        Some(_) => prices.iter().map(|listed| listed.price.to_string()).collect(),
    }
}

/// `POST /skills/{name}/get`.
pub(super) async fn get_free(
    State(state): State<WebState>,
    Member { actor, .. }: Member,
    Path(name): Path<String>,
    _: Submitted,
) -> Result<Response, PageError> {
    grants::add_free(&state.app, &actor, &name).await?;
    Ok(go(&format!("/skills/{name}?done=added"), []))
}
