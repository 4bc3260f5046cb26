//! Listings as operators see them: find one, look at what was released, put it into quarantine and release it.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use skaas_app::listings::{self, Details};
use skaas_domain::listing::{Listing, ListingState};

use super::{
    super::confirm::{Confirm, Reason},
    at_reason,
};
use crate::web::{
    About, Asked, Browser, Frame, Member, Moment, PageError, Query, Results, Submitted, Tone, View, WebState,
    go, show,
};

/// One listing of a list.
struct Row {
    name: String,
    creator: String,
    state: ListingState,
    creator_suspended: bool,
    price: String,
    changed: Moment,
}

impl Row {
    /// The surface of its state.
    fn tone(&self) -> &'static str {
        tone(self.state)
    }
}

fn tone(state: ListingState) -> &'static str {
    match state {
        ListingState::Published => "ok",
        ListingState::Quarantined => "danger",
        ListingState::Draft | ListingState::Withdrawn => "",
    }
}

/// The search itself is in the database; a view's word is the state's.
static VIEWS: [View<Row>; 5] = [
    View { word: "", label: "All", holds: |_| true },
    View { word: "published", label: "Published", holds: |row| row.state == ListingState::Published },
    View { word: "draft", label: "Drafts", holds: |row| row.state == ListingState::Draft },
    View { word: "withdrawn", label: "Withdrawn", holds: |row| row.state == ListingState::Withdrawn },
    View { word: "quarantined", label: "Quarantined", holds: |row| row.state == ListingState::Quarantined },
];

#[derive(Template)]
#[template(path = "operator/listings.html")]
struct Listings {
    frame: Frame,
    listings: Results<Row>,
}

/// One release of a listing.
struct ReleaseRow {
    version: String,
    published: Moment,
    files: i64,
    size: String,
}

#[derive(Template)]
#[template(path = "operator/listing.html")]
struct One {
    frame: Frame,
    listing: Listing,
    tone: &'static str,
    price: String,
    created: Moment,
    quarantined: Option<Moment>,
    releases: Vec<ReleaseRow>,
}

fn price(listing: &Listing) -> String {
    listing.prices.text().unwrap_or_else(|| "not for sale".to_owned())
}

/// `GET /operator/listings`
pub(super) async fn page(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
    Query(query): Query,
) -> Result<Response, PageError> {
    let asked = Asked::of(&VIEWS, &query);
    let found =
        listings::search(&state.app, &actor, &asked.search, asked.view.parse().ok(), asked.page).await?;
    let now = state.app.now();
    let found = found.map(|listing| Row {
        price: price(&listing),
        changed: Moment::new(listing.updated_at, now),
        name: listing.name,
        creator: listing.creator_name,
        state: listing.state,
        creator_suspended: listing.creator_suspended,
    });
    let about = About { path: "/operator/listings".to_owned(), nouns: ("skill", "skills"), views: &VIEWS };
    let listings = Results::found(about, asked, found);
    show(&Listings { frame: browser.frame("operator-listings"), listings })
}

/// `GET /operator/listings/{name}`
pub(super) async fn one(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
    Path(name): Path<String>,
    Query(query): Query,
) -> Result<Response, PageError> {
    let Details { listing, releases } = listings::find(&state.app, &actor, &name).await?;
    let now = state.app.now();
    let frame = browser.frame("operator-listings");
    let frame = match query.get("done") {
        "quarantined" => frame.noting(Tone::Ok, format!("{name} is in quarantine.")),
        "released" => frame.noting(Tone::Ok, format!("{name} is released from quarantine.")),
        _ => frame,
    };
    let row = |release: &skaas_app::listings::Release| ReleaseRow {
        version: release.version.clone(),
        published: Moment::new(release.published_at, now),
        files: release.files,
        size: size(release.bytes),
    };
    let releases = releases.iter().rev().map(row).collect();
    let created = Moment::new(listing.created_at, now);
    let quarantined = Moment::maybe(listing.quarantine.as_ref().map(|quarantine| quarantine.at), now);
    let (tone, price) = (tone(listing.state), price(&listing));
    show(&One { frame, listing, tone, price, created, quarantined, releases })
}

/// A size as people read it.
fn size(bytes: i64) -> String {
    match bytes {
        ..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}

/// The question before an act on a listing.
fn question(browser: &Browser, name: &str, act: &str, question: String, verb: &'static str) -> Confirm {
    Confirm {
        frame: browser.frame("operator-listings"),
        question,
        consequences: Vec::new(),
        action: format!("/operator/listings/{name}/{act}").into(),
        fields: Vec::new(),
        reason: None,
        tick: None,
        verb,
        back: format!("/operator/listings/{name}").into(),
    }
}

fn to_quarantine(browser: &Browser, name: &str, reason: Reason) -> Confirm {
    Confirm {
        consequences: vec![
            "Nobody but its creator is served it. People who have it get a preview with their next pull, which says \
             that the skill is on hold for review."
                .to_owned(),
            "It disappears from everybody else's marketplace.".to_owned(),
            "Nothing is deleted. When you release it, people who have it get it back.".to_owned(),
        ],
        reason: Some(reason),
        ..question(browser, name, "quarantine", format!("Quarantine {name}?"), "Quarantine")
    }
}

pub(super) async fn ask_quarantine(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
    Path(name): Path<String>,
) -> Result<Response, PageError> {
    let listing = listings::find(&state.app, &actor, &name).await?.listing;
    to_quarantine(&browser, &listing.name, Reason::default()).show()
}

pub(super) async fn quarantine(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
    Path(name): Path<String>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let reason = fields.get("reason");
    match listings::quarantine(&state.app, &actor, &name, reason).await {
        Ok(after) => Ok(go(&format!("/operator/listings/{}?done=quarantined", after.listing.name), [])),
        Err(error) => to_quarantine(&browser, &name, at_reason(error, reason)?).show_again(),
    }
}

pub(super) async fn ask_release(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
    Path(name): Path<String>,
) -> Result<Response, PageError> {
    let listing = listings::find(&state.app, &actor, &name).await?.listing;
    let before = listing.quarantine.map_or(ListingState::Withdrawn, |quarantine| quarantine.before);
    Confirm {
        consequences: vec![
            format!("Its state is {} again, as before the quarantine.", before.as_str()),
            "People who have it get it back with their next pull.".to_owned(),
        ],
        ..question(&browser, &listing.name, "release", format!("Release {}?", listing.name), "Release")
    }
    .show()
}

pub(super) async fn release(
    State(state): State<WebState>,
    Member { actor, .. }: Member,
    Path(name): Path<String>,
    _: Submitted,
) -> Result<Response, PageError> {
    let after = listings::release(&state.app, &actor, &name).await?;
    Ok(go(&format!("/operator/listings/{}?done=released", after.listing.name), []))
}
