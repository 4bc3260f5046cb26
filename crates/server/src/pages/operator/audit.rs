//! The audit log as operators see it: the newest entries, to be searched. The command line lists, verifies and exports
//! all of them.

use askama::Template;
use axum::{extract::State, response::Response};
use skaas_app::audit::{self, ActorKind, Address, Named, Outcome};

use crate::web::{About, Frame, Member, Moment, PageError, Query, Results, View, WebState, show};

/// The most entries that the page reads, newest first.
const SHOWN: u32 = 500;

/// One entry.
struct Row {
    sentence: String,
    action: String,
    thing: String,
    is_refused: bool,
    /// Whom it is about.
    subject: Option<String>,
    /// The user who acted.
    actor: Option<String>,
    /// By which means, or who else acted.
    by: String,
    address: String,
    at: Moment,
}

static VIEWS: [View<Row>; 3] = [
    View { word: "", label: "All", holds: |_| true },
    View { word: "operators", label: "Operators", holds: |row| row.by_operator() },
    View { word: "refused", label: "Refused", holds: |row| row.is_refused },
];

impl Row {
    /// Whether somebody acted on another user's account or on the server.
    fn by_operator(&self) -> bool {
        self.by.starts_with("command line") || (self.actor.is_some() && self.actor != self.subject)
    }
}

#[derive(Template)]
#[template(path = "operator/audit.html")]
struct Log {
    frame: Frame,
    entries: Results<Row>,
}

/// By which means somebody acted.
fn by(kind: ActorKind, id: &str) -> String {
    match kind {
        ActorKind::ApiToken => "with an API token".to_owned(),
        ActorKind::OauthGrant => "by an authorized app".to_owned(),
        ActorKind::Session => "in a browser".to_owned(),
        ActorKind::Operator => format!("command line ({id})"),
        ActorKind::Visitor => "not signed in yet".to_owned(),
        ActorKind::Server => "this server".to_owned(),
    }
}

pub(super) async fn page(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
    Query(query): Query,
) -> Result<Response, PageError> {
    let now = state.app.now();
    let row = |Named { entry, subject, actor }: Named| Row {
        sentence: entry.sentence().to_owned(),
        is_refused: entry.outcome == Outcome::Refused,
        by: by(entry.actor.kind, &entry.actor.id),
        address: match entry.address {
            Address::Known(address) => address,
            Address::None => String::new(),
            Address::Erased => "erased".to_owned(),
        },
        action: entry.action,
        thing: entry.thing,
        subject,
        actor,
        at: Moment::new(entry.at, now),
    };
    let rows = audit::newest(&state.app, &actor, SHOWN).await?.into_iter().map(row).collect();
    let about = About { path: "/operator/audit".to_owned(), nouns: ("entry", "entries"), views: &VIEWS };
    let searched = |row: &Row| {
        let [subject, actor] = [&row.subject, &row.actor].map(|name| name.as_deref().unwrap_or_default());
        format!("{} {} {} {subject} {actor} {} {}", row.sentence, row.action, row.thing, row.by, row.address)
    };
    let entries = Results::of(about, &query, rows, searched);
    show(&Log { frame: browser.frame("operator-audit"), entries })
}
