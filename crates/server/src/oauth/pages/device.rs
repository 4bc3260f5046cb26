//! Owns the page on which a person lets a device sign in (RFC 8628, section 3.3). Refuses to let it in by a
//! link alone: a filled-in code is shown and asked about like a typed one.

use askama::Template;
use axum::{extract::State, response::Response};
use http::{HeaderValue, StatusCode, header};
use skaas_app::{
    Code, Error,
    devices::{self, CLI_CLIENT_ID, Named, NotThere},
    oauth::{self, Refused, applications},
};
use skaas_domain::device::{DeviceAuthorization, DeviceRecord, UserCode};

use crate::web::{
    Fault, Frame, Member, Moment, PageError, Query, Submitted, WebState, sentence_case, show, show_as,
};

#[derive(Template)]
#[template(path = "device.html")]
struct Typing {
    frame: Frame,
    typed: String,
    fault: Fault,
}

#[derive(Template)]
#[template(path = "device_ask.html")]
struct Asking {
    frame: Frame,
    /// As the terminal shows it.
    code: String,
    /// Where the browser was opened with one.
    handle: String,
    username: String,
    is_ours: bool,
    name: String,
    /// The host that describes the client, where one does.
    described_by: Option<String>,
    address: String,
    agent: String,
    asked: Moment,
    scopes: Vec<String>,
    resource: Option<String>,
    expires: Moment,
}

#[derive(Template)]
#[template(path = "device_done.html")]
struct Done {
    frame: Frame,
    name: String,
    is_approved: bool,
    is_ours: bool,
}

/// `GET /device`: where the code is typed, or asked about.
pub(super) async fn page(
    State(state): State<WebState>,
    member: Member,
    Query(query): Query,
) -> Result<Response, PageError> {
    let typed = query.trimmed("user_code");
    if typed.is_empty() {
        let (frame, typed, fault) = (member.browser.frame("device"), String::new(), Fault::default());
        return show(&Typing { frame, typed, fault });
    }
    match devices::find(&state.app, &member.actor, &member.browser.place, Named::Code(typed)).await {
        Ok(device) => ask(&state, &member, &device, "", typed),
        Err(not_there) => once_more(&member, typed, not_there),
    }
}

/// `GET /auth/cli`: the page that the command line opens.
pub(super) async fn by_handle(
    State(state): State<WebState>,
    member: Member,
    Query(query): Query,
) -> Result<Response, PageError> {
    let (handle, code) = (query.get("session"), query.get("code"));
    let named = Named::Handle { handle, code };
    match devices::find(&state.app, &member.actor, &member.browser.place, named).await {
        Ok(device) => ask(&state, &member, &device, handle, code),
        Err(not_there) => once_more(&member, "", not_there),
    }
}

/// `POST /device`: the person's answer.
pub(super) async fn answer(
    State(state): State<WebState>,
    member: Member,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let (handle, code) = (fields.get("session"), fields.trimmed("user_code"));
    let agrees = match fields.get("answer") {
        "approve" => true,
        "deny" => false,
        _ => {
            return Err(PageError::new(
                StatusCode::BAD_REQUEST,
                "choose Authorize or Cancel; nothing was changed",
            ));
        }
    };
    let named = if handle.is_empty() { Named::Code(code) } else { Named::Handle { handle, code } };
    match devices::answer(&state.app, &member.actor, &member.browser.place, named, agrees).await {
        Ok(device) => show(&Done {
            frame: member.browser.frame("device"),
            is_approved: matches!(device.state, DeviceAuthorization::Approved { .. }),
            is_ours: device.client_id == CLI_CLIENT_ID,
            name: device.client_name,
        }),
        Err(not_there) => once_more(&member, code, not_there),
    }
}

fn ask(
    state: &WebState,
    member: &Member,
    device: &DeviceRecord,
    handle: &str,
    typed: &str,
) -> Result<Response, PageError> {
    let code =
        UserCode::parse(typed).map_err(|error| Error::refused(Code::InvalidValue, error.to_string()))?;
    show(&Asking {
        frame: member.browser.frame("device"),
        code: code.to_string(),
        handle: handle.to_owned(),
        username: member.browser.username().unwrap_or_default().to_owned(),
        is_ours: device.client_id == CLI_CLIENT_ID,
        name: device.client_name.clone(),
        described_by: applications::described_by(&device.client_id),
        address: device.place.address.clone(),
        agent: device.place.agent.clone(),
        asked: Moment::new(device.created_at, state.app.now()),
        scopes: device.scopes.explain(),
        resource: device.resource.clone(),
        expires: Moment::new(oauth::authorized_until(&state.app), state.app.now()),
    })
}

/// The form again, with what was typed and what is wrong with it.
fn once_more(member: &Member, typed: &str, not_there: NotThere) -> Result<Response, PageError> {
    let fault = Fault { field: "user_code", text: sentence_case(&not_there.to_string()) };
    let (status, wait) = match not_there {
        NotThere::Malformed(_) => (StatusCode::UNPROCESSABLE_ENTITY, None),
        NotThere::Unknown => (StatusCode::NOT_FOUND, None),
        NotThere::Refused(Refused::TooOften { retry_after }) => {
            (StatusCode::TOO_MANY_REQUESTS, Some(retry_after))
        }
        NotThere::Refused(Refused::Other(error)) => return Err(error.into()),
        NotThere::Refused(Refused::Said { .. }) => (StatusCode::BAD_REQUEST, None),
    };
    let page = Typing { frame: member.browser.frame("device"), typed: typed.to_owned(), fault };
    let mut response = show_as(status, &page)?;
    if let Some(wait) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    Ok(response)
}
