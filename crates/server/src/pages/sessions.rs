//! The list of browsers a person is signed in with, and signing them out.

use askama::Template;
use axum::{extract::State, response::Response};
use skaas_app::{Code, Error, accounts::Rejected, sessions};

use super::{confirm::Confirm, sign_in::sign_in_again};
use crate::web::{
    About, Frame, Member, Moment, PageError, Query, Results, Submitted, Tone, WebState, go, show,
};

/// One browser.
struct Row {
    id: String,
    agent: String,
    address: String,
    since: Moment,
    seen: Moment,
    is_this: bool,
}

#[derive(Template)]
#[template(path = "sessions.html")]
struct Sessions {
    frame: Frame,
    results: Results<Row>,
    has_others: bool,
}

pub(super) async fn page(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
    Query(query): Query,
) -> Result<Response, PageError> {
    let now = state.app.now();
    let rows = sessions::list(&state.app, &actor).await?;
    let has_others = rows.len() > 1;
    let rows = rows.into_iter().map(|session| Row {
        id: session.id.to_string(),
        agent: agent(&session.place.agent),
        address: session.place.address,
        since: Moment::new(session.created_at, now),
        seen: Moment::new(session.seen_at, now),
        is_this: actor.session() == Some(session.id),
    });
    let frame = browser.frame("sessions");
    let frame = match query.get("done") {
        "one" => frame.noting(Tone::Ok, "That browser is signed out."),
        "others" => frame.noting(Tone::Ok, "Every other browser is signed out."),
        _ => frame,
    };
    let about = About { path: "/account/sessions".to_owned(), nouns: ("session", "sessions"), views: &[] };
    let searched = |row: &Row| format!("{} {}", row.agent, row.address);
    let results = Results::of(about, &query, rows.collect(), searched);
    show(&Sessions { frame, results, has_others })
}

/// `GET /account/sessions/revoke?session=…`
pub(super) async fn ask(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
    Query(query): Query,
) -> Result<Response, PageError> {
    let id = query.get("session").to_owned();
    let all = sessions::list(&state.app, &actor).await?;
    let session = all.into_iter().find(|session| session.id.to_string() == id);
    let session =
        session.ok_or_else(|| Error::refused(Code::NoSuchSession, "you have no session with this ID"))?;
    let is_this = actor.session() == Some(session.id);
    if !is_this && let Err(rejected) = actor.require_fresh(state.app.now()) {
        return refuse(rejected, &browser.path);
    }
    let which = agent(&session.place.agent);
    let here = if is_this { " This is the browser you're using now." } else { "" };
    Confirm {
        frame: browser.frame("sessions"),
        question: format!("Sign out {which}?"),
        consequences: vec![format!(
            "The browser at {} needs your password or another sign-in method to come back.{here}",
            session.place.address
        )],
        action: "/account/sessions/revoke".into(),
        fields: vec![("session", id)],
        reason: None,
        tick: None,
        verb: "Sign out",
        back: "/account/sessions".into(),
    }
    .show()
}

/// `GET /account/sessions/others`
pub(super) async fn ask_others(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
) -> Result<Response, PageError> {
    if let Err(rejected) = actor.require_fresh(state.app.now()) {
        return refuse(rejected, &browser.path);
    }
    Confirm {
        frame: browser.frame("sessions"),
        question: "Sign out everywhere else?".to_owned(),
        consequences: vec![
            "Every other browser is signed out. This one stays signed in.".to_owned(),
            "API tokens and authorized apps keep working.".to_owned(),
        ],
        action: "/account/sessions/others".into(),
        fields: Vec::new(),
        reason: None,
        tick: None,
        verb: "Sign out everywhere else",
        back: "/account/sessions".into(),
    }
    .show()
}

pub(super) async fn revoke(
    State(state): State<WebState>,
    Member { actor, .. }: Member,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let id = fields.get("session");
    match sessions::revoke(&state.app, &actor, id).await {
        Ok(ended) if actor.session() == Some(ended) => {
            Ok(go("/?done=signed-out", [state.cookies.no_session()]))
        }
        Ok(_) => Ok(go("/account/sessions?done=one", [])),
        Err(rejected) => refuse(rejected, &format!("/account/sessions/revoke?session={id}")),
    }
}

pub(super) async fn revoke_others(
    State(state): State<WebState>,
    Member { actor, .. }: Member,
    _: Submitted,
) -> Result<Response, PageError> {
    match sessions::revoke_others(&state.app, &actor).await {
        Ok(_) => Ok(go("/account/sessions?done=others", [])),
        Err(rejected) => refuse(rejected, "/account/sessions/others"),
    }
}

/// Asks to sign in again, and then the question at `path` once more, if the sign-in is too long ago.
fn refuse(rejected: Rejected, path: &str) -> Result<Response, PageError> {
    match rejected {
        Rejected::Stale => Ok(sign_in_again(path)),
        Rejected::Other(error) => Err(error.into()),
        other => Err(Error::refused(Code::RecentSignInRequired, other.to_string()).into()),
    }
}

/// Browser and system, where the agent's text names ones that people know; else the text itself.
fn agent(text: &str) -> String {
    let known = |words: &[(&str, &'static str)]| {
        words.iter().find(|(word, _)| text.contains(word)).map(|(_, name)| *name)
    };
    let browser = known(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = known(&[
        ("Android", "Android"),
        ("iPhone", "iOS"),
        ("iPad", "iPadOS"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        _ if text.is_empty() => "Unknown browser".to_owned(),
        _ => text.chars().take(80).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_named_as_people_know_them() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36";
        assert_eq!(agent(chrome), "Chrome on Linux");
        let phone =
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18 Safari/604";
        assert_eq!(agent(phone), "Safari on iOS");
        assert_eq!(agent("curl/8"), "curl/8");
        assert_eq!(agent(""), "Unknown browser");
    }
}
