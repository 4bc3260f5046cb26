//! The API tokens page: create a token, see it once, revoke it. A token is never shown twice.

use askama::Template;
use axum::{extract::State, response::Response};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use skaas_app::{
    Code, Error, Kind, Whose,
    tokens::{self, NewToken},
};
use skaas_domain::{
    scope::{Scope, Scopes},
    user::{TokenRecord, descendants},
};

use super::confirm::{Confirm, Tick};
use crate::web::{
    About, Fault, Fields, Frame, Member, Moment, PageError, Query, Results, Submitted, Tone, View, WebState,
    go, sentence_case, show, show_as, sign_in_command,
};

/// The lifetimes on offer, in days; 0 means that the token never expires.
const LIFETIMES: [(&str, &str); 4] =
    [("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("0", "No expiry date")];

/// One token.
struct Row {
    id: String,
    name: String,
    id_part: String,
    scopes: String,
    created: Moment,
    used: Option<Moment>,
    used_from: String,
    ends: Option<Moment>,
    state: &'static str,
    /// The name of the token that created it.
    parent: Option<String>,
}

/// A box to tick.
struct Choice {
    scope: &'static str,
    label: String,
    is_chosen: bool,
}

/// What the form holds.
struct Form {
    name: String,
    limited: bool,
    choices: Vec<Choice>,
    skills: String,
    days: String,
    fault: Fault,
}

#[derive(Template)]
#[template(path = "tokens.html")]
struct Tokens {
    frame: Frame,
    results: Results<Row>,
    draft: Form,
    lifetimes: [(&'static str, &'static str); 4],
    sign_in_command: String,
}

#[derive(Template)]
#[template(path = "token_created.html")]
struct CreatedPage {
    frame: Frame,
    token: String,
    name: String,
    permissions: Vec<String>,
    ends: Option<Moment>,
    clone: String,
    username: String,
    sign_in_command: String,
}

/// The views of the list.
static VIEWS: [View<Row>; 3] = [
    View { word: "", label: "All", holds: |_| true },
    View { word: "active", label: "Active", holds: |row| row.state == "works" },
    View { word: "inactive", label: "Inactive", holds: |row| row.state != "works" },
];

/// What a search looks through.
fn searched(row: &Row) -> String {
    let parent = row.parent.as_deref().unwrap_or_default();
    format!("{} sk_live_{} {} {} {parent}", row.name, row.id_part, row.scopes, row.used_from)
}

fn choices(fields: &Fields) -> Vec<Choice> {
    ["marketplaces", "creator", "account", "mcp", "action:*", "read-only"]
        .map(|scope| Choice {
            scope,
            label: scope.parse::<Scope>().map(|scope| scope.explain()).unwrap_or_default(),
            is_chosen: fields.all("scope").any(|chosen| chosen == scope),
        })
        .into()
}

fn row(token: &TokenRecord, all: &[TokenRecord], now: Timestamp) -> Row {
    let parent = all.iter().find(|other| token.parent == Some(other.id));
    let state = if token.works(now) {
        "works"
    } else if token.revoked_at.is_some() {
        "revoked"
    } else {
        "expired"
    };
    Row {
        id: token.id.to_string(),
        scopes: token.scopes.to_string(),
        name: token.name.clone(),
        id_part: token.id_part.clone(),
        created: Moment::new(token.created_at, now),
        used: Moment::maybe(token.last_used_at, now),
        used_from: token.last_used_from.clone().unwrap_or_default(),
        ends: Moment::maybe(token.expires_at, now),
        state,
        parent: parent.map(|parent| parent.name.clone()),
    }
}

async fn render(
    state: &WebState,
    member: &Member,
    frame: Frame,
    status: StatusCode,
    (query, draft): (&Fields, Form),
) -> Result<Response, PageError> {
    let now = state.app.now();
    let mut all = tokens::list(&state.app, &member.actor, Whose::Own).await?;
    // Newest first; those that work before those that do not.
    all.reverse();
    all.sort_by_key(|token| !token.works(now));
    let rows = all.iter().map(|token| row(token, &all, now)).collect();
    let about = About { path: "/account/tokens".to_owned(), nouns: ("token", "tokens"), views: &VIEWS };
    let results = Results::of(about, query, rows, searched);
    let sign_in_command = sign_in_command(&state.app.voice().public_url);
    show_as(status, &Tokens { frame, results, draft, lifetimes: LIFETIMES, sign_in_command })
}

pub(super) async fn page(
    State(state): State<WebState>,
    member: Member,
    Query(query): Query,
) -> Result<Response, PageError> {
    let frame = member.browser.frame("tokens");
    let frame = match query.get("done") {
        "revoked" => frame.noting(Tone::Ok, "Token revoked. It no longer works anywhere."),
        "revoked-all" => frame.noting(
            Tone::Ok,
            "Token revoked, with every token created with it. They no longer work anywhere.",
        ),
        _ => frame,
    };
    let form = Form {
        name: String::new(),
        // Whatever is preselected must not widen the token.
        limited: true,
        choices: choices(&Fields::default()),
        skills: String::new(),
        days: "90".to_owned(),
        fault: Fault::default(),
    };
    render(&state, &member, frame, StatusCode::OK, (&query, form)).await
}

/// The scopes that the form asks for. Full access beside a selection is refused: whichever of the two the
/// person overlooked, the token would not be the one they meant. Only `read-only` goes with it, since that takes
/// away.
fn scopes(fields: &Fields) -> Result<Scopes, Fault> {
    let fault = |field, text: &str| Err(Fault { field, text: text.to_owned() });
    let skills: Vec<&str> =
        fields.get("skills").split([' ', ',', '\n', '\r', '\t']).filter(|name| !name.is_empty()).collect();
    let selected: Vec<&str> = fields.all("scope").collect();
    if fields.get("access") == "full" {
        return match (selected.as_slice(), skills.as_slice()) {
            ([], []) => Ok(Scopes::full()),
            (["read-only"], []) => Ok(Scopes::of([Scope::Full, Scope::ReadOnly])),
            _ => fault(
                "access",
                "You chose full access and also selected permissions or skills. Choose one of the two.",
            ),
        };
    }
    if skills.is_empty() && selected.iter().all(|scope| *scope == "read-only") {
        return fault("scope", "Select at least one permission or name a skill, or choose full access.");
    }
    let skills = skills.into_iter().map(|name| format!("skill:{name}"));
    let words: Vec<String> = selected.into_iter().map(str::to_owned).chain(skills).collect();
    words.join(" ").parse().map_err(|error: skaas_domain::scope::InvalidScope| {
        let field = if fields.trimmed("skills").is_empty() { "scope" } else { "skills" };
        Fault { field, text: sentence_case(&error.to_string()) }
    })
}

fn ends(fields: &Fields, now: Timestamp) -> Result<Option<Timestamp>, Fault> {
    let days = fields.get("days");
    let known = LIFETIMES.iter().any(|(value, _)| *value == days);
    match days.parse::<i64>() {
        Ok(0) => Ok(None),
        Ok(days) if known => Ok(now.checked_add(SignedDuration::from_hours(24 * days)).ok()),
        _ => Err(Fault { field: "days", text: "Choose one of these.".to_owned() }),
    }
}

pub(super) async fn create(
    State(state): State<WebState>,
    member: Member,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let name = fields.trimmed("name");
    let chosen = scopes(&fields).and_then(|scopes| Ok((scopes, ends(&fields, state.app.now())?)));
    let fault = match chosen {
        Err(fault) => fault,
        Ok((scopes, end)) => {
            let new = NewToken { name, scopes: Some(scopes), expires_at: end };
            match tokens::create(&state.app, &member.actor, Whose::Own, new).await {
                Ok(created) => {
                    let token = created.token.reveal().to_owned();
                    let clone = state.app.voice().marketplace_url();
                    let frame = member.browser.frame("tokens");
                    let sign_in_command = sign_in_command(&state.app.voice().public_url);
                    let permissions = created.record.scopes.explain();
                    let ends = Moment::maybe(created.record.expires_at, state.app.now());
                    let name = created.record.name;
                    let username = member.browser.username().unwrap_or_default().to_owned();
                    return show(&CreatedPage {
                        frame,
                        token,
                        name,
                        permissions,
                        ends,
                        clone,
                        username,
                        sign_in_command,
                    });
                }
                Err(error) if error.kind() == Kind::Invalid => {
                    Fault { field: "name", text: sentence_case(&error.to_string()) }
                }
                Err(other) => return Err(other.into()),
            }
        }
    };
    let form = Form {
        name: name.to_owned(),
        limited: fields.get("access") != "full" || fault.field == "access",
        choices: choices(&fields),
        skills: fields.trimmed("skills").to_owned(),
        days: fields.get("days").to_owned(),
        fault,
    };
    let frame = member.browser.frame("tokens");
    render(&state, &member, frame, StatusCode::UNPROCESSABLE_ENTITY, (&Fields::default(), form)).await
}

/// `GET /account/tokens/revoke?token=…`
pub(super) async fn ask(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
    Query(query): Query,
) -> Result<Response, PageError> {
    let id = query.get("token").to_owned();
    let all = tokens::list(&state.app, &actor, Whose::Own).await?;
    let now = state.app.now();
    let token = all.iter().find(|token| token.id.to_string() == id && token.works(now));
    let absent = || Error::refused(Code::NoSuchToken, "you have no active token with this ID");
    let token = token.ok_or_else(absent)?;
    let made = descendants(&all, token.id).into_iter().filter(|made| made.works(now));
    let made: Vec<&str> = made.map(|made| made.name.as_str()).collect();
    let tick = (!made.is_empty()).then(|| Tick {
        name: "descendants",
        value: "revoke",
        label: format!("Also revoke the tokens created with it: {}", made.join(", ")),
    });
    Confirm {
        frame: browser.frame("tokens"),
        question: format!("Revoke {}?", token.name),
        consequences: vec![format!(
            "Whatever uses the token sk_live_{}… can no longer sign in. This can't be undone.",
            token.id_part
        )],
        action: "/account/tokens/revoke".into(),
        fields: vec![("token", id)],
        reason: None,
        tick,
        verb: "Revoke token",
        back: "/account/tokens".into(),
    }
    .show()
}

pub(super) async fn revoke(
    State(state): State<WebState>,
    Member { actor, .. }: Member,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let which = fields.get("token");
    if fields.get("descendants") == "revoke" {
        tokens::revoke_with_descendants(&state.app, &actor, Whose::Own, which).await?;
        return Ok(go("/account/tokens?done=revoked-all", []));
    }
    tokens::revoke(&state.app, &actor, Whose::Own, Some(which)).await?;
    Ok(go("/account/tokens?done=revoked", []))
}
