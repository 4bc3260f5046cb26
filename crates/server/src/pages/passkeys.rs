//! What the pages with passkeys share: the challenge that `assets/passkeys.js` fetches, and the answer in a form.

use axum::response::Response;
use http::StatusCode;
use serde_json::json;
use skaas_app::{
    accounts::Rejected,
    second_factor::{Challenge, PasskeyAnswer},
};

use super::sign_in::sign_in_again_at;
use crate::web::{Fields, PageError, json_once, sentence_case};

/// The answer of a browser, as `passkeys.js` puts it into the form.
pub(super) fn answer(fields: &Fields) -> PasskeyAnswer<'_> {
    PasskeyAnswer { ceremony: fields.get("ceremony"), credential: fields.get("credential") }
}

/// A challenge for `passkeys.js`, or the sentence that it shows. `page` is where somebody comes back to who has to sign
/// in again first.
pub(super) fn challenge(begun: Result<Challenge, Rejected>, page: &str) -> Result<Response, PageError> {
    match begun {
        Ok(challenge) => {
            let body = json!({ "ceremony": challenge.ceremony.reveal(), "publicKey": challenge.options });
            Ok(json_once(StatusCode::OK, &body))
        }
        Err(Rejected::Stale) => {
            Ok(json_once(StatusCode::FORBIDDEN, &json!({ "location": sign_in_again_at(page) })))
        }
        Err(Rejected::Other(error)) if error.is_fault() => Err(error.into()),
        Err(rejected) => {
            let status = match &rejected {
                Rejected::TooOften { .. } => StatusCode::TOO_MANY_REQUESTS,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            Ok(json_once(status, &json!({ "error": sentence_case(&rejected.to_string()) })))
        }
    }
}
