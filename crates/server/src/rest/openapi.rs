//! Owns the OpenAPI 3.1 document. Refuses to be written by hand: it is made from the handlers.

use axum::Json;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{
        ApiKey, ApiKeyValue, AuthorizationCode, Flow, HttpAuthScheme, HttpBuilder, OAuth2, Scopes,
        SecurityScheme,
    },
};

use super::{activity, applications, me, sessions, tokens};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "skaas",
        description = "Accounts, API tokens, sessions and authorized apps of a skaas server. The same as a \
            page: [/api](/api). Errors are RFC 9457 problem+json, with a sentence about what to do. Times are \
            RFC 3339 in UTC, durations are whole seconds. Readers ignore fields that they do not know.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    servers((url = "/", description = "The server that this document comes from")),
    external_docs(url = "/api", description = "This document as a page"),
    paths(
        me::me, activity::list, me::profile, tokens::list, tokens::create, tokens::revoke, tokens::revoke_current,
        sessions::list, sessions::revoke, applications::list, applications::revoke
    ),
    components(schemas(skaas_api::Problem)),
    modifiers(&Ways),
    tags(
        (name = "account", description = "Who asks, and what was done in their account."),
        (name = "tokens", description = "API tokens: shown once, stored as hashes, refused as soon as they are revoked."),
        (name = "sessions", description = "The browsers that the user is signed in with."),
        (name = "applications", description = "Authorized apps: OAuth clients that the user authorized."),
        (name = "users", description = "What everybody may know of a user.")
    )
)]
struct Document;

/// The ways to show who one is.
struct Ways;

impl Modify for Ways {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("sk_live_…")
            .description(Some(
                "An API token, created under Settings or by `skaas auth`. It also works as the password of \
                 Basic authentication.",
            ))
            .build();
        let scopes = Scopes::from_iter([
            ("account", "view and change the account, tokens and sessions"),
            ("read-only", "read only: change nothing"),
        ]);
        let code =
            AuthorizationCode::with_refresh_url("/oauth/authorize", "/oauth/token", scopes, "/oauth/token");
        let oauth = OAuth2::with_description(
            [Flow::AuthorizationCode(code)],
            "An access token for an app that acts for a user: authorization code with PKCE (S256), or device \
             authorization, with this API as the `resource`. Tokens for other resources are refused. \
             `/.well-known/oauth-protected-resource/api` says where to start.",
        );
        let session = ApiKeyValue::with_description(
            "__Host-skaas",
            "The session cookie of a signed-in browser, for our own pages (named `skaas` without https). It is \
             used only if there is no Authorization header, and never for git.",
        );
        let csrf = ApiKeyValue::with_description(
            "X-CSRF-Token",
            "Required with the cookie for every change: the value of `csrf` in any form on our pages in the \
             same browser.",
        );
        let components = document.components.get_or_insert_with(Default::default);
        for (name, way) in [
            ("token", SecurityScheme::Http(token)),
            ("oauth", SecurityScheme::OAuth2(oauth)),
            ("session", SecurityScheme::ApiKey(ApiKey::Cookie(session))),
            ("csrf", SecurityScheme::ApiKey(ApiKey::Header(csrf))),
        ] {
            components.add_security_scheme(name, way);
        }
    }
}

/// The document, as it is served and committed.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

pub(super) async fn serve() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_document_is_the_one_that_is_served() {
        let served = serde_json::to_string_pretty(&document()).unwrap() + "\n";
        let committed = include_str!("../../../../docs/openapi.json");
        assert!(served == committed, "stale: run `cargo run -p skaas-server -- openapi > docs/openapi.json`");
    }

    #[test]
    fn every_address_of_the_interface_is_described() {
        let document = document();
        let itself = ["/api", "/api/openapi.json"];
        for address in super::super::ADDRESSES.iter().filter(|address| !itself.contains(address)) {
            let is_described = document.paths.paths.contains_key(*address);
            assert_eq!(is_described, !super::super::MOVED.contains(address), "{address}");
        }
    }

    /// Each operation with its method.
    fn operations(document: &serde_json::Value) -> Vec<(String, serde_json::Value)> {
        let paths = document["paths"].as_object().unwrap().values();
        let methods = paths.flat_map(|path| path.as_object().unwrap().clone());
        methods.collect()
    }

    #[test]
    fn each_operation_has_a_name_of_its_own_and_says_what_each_answer_means() {
        let document = serde_json::to_value(document()).unwrap();
        let operations = operations(&document);
        let names: std::collections::BTreeSet<&str> =
            operations.iter().map(|(_, operation)| operation["operationId"].as_str().unwrap()).collect();
        assert_eq!(names.len(), operations.len());
        for (_, operation) in &operations {
            for (status, answer) in operation["responses"].as_object().unwrap() {
                let name = &operation["operationId"];
                assert!(!answer["description"].as_str().unwrap().is_empty(), "{name} {status}");
                let is_problem = answer["content"].get("application/problem+json").is_some();
                assert_eq!(is_problem, status.as_str() >= "400", "{name} {status}");
            }
        }
    }

    #[test]
    fn the_document_names_its_server_and_says_which_operations_are_open_to_everybody() {
        let document = serde_json::to_value(document()).unwrap();
        assert_eq!(document["servers"][0]["url"], "/");
        let mut open = Vec::new();
        for (_, operation) in operations(&document) {
            let name = operation["operationId"].as_str().unwrap().to_owned();
            let ways = operation["security"].as_array().unwrap_or_else(|| panic!("{name} has no security"));
            if ways.is_empty() {
                open.push(name);
            }
        }
        assert_eq!(open, ["getUser"]);
    }

    #[test]
    fn each_operation_names_the_refusals_that_every_request_may_meet() {
        let document = serde_json::to_value(document()).unwrap();
        for (_, operation) in &operations(&document) {
            let is_open = operation["security"].as_array().is_none_or(Vec::is_empty);
            let mut met = vec!["429", "503"];
            met.extend(if is_open { &[][..] } else { &["401", "403"] });
            met.extend(operation.get("requestBody").map(|_| "413"));
            met.extend(operation.get("parameters").map(|_| "400"));
            for status in met {
                let answer = operation["responses"].get(status);
                assert!(answer.is_some(), "{} {status}", operation["operationId"]);
            }
        }
    }

    #[test]
    fn a_cookie_changes_nothing_without_proof_and_every_named_way_is_described() {
        let document = serde_json::to_value(document()).unwrap();
        for (method, operation) in operations(&document) {
            let ways = operation["security"].as_array().cloned().unwrap_or_default();
            for way in ways.iter().map(|way| way.as_object().unwrap()) {
                for scheme in way.keys() {
                    assert!(document["components"]["securitySchemes"].get(scheme).is_some(), "{scheme}");
                }
                let proved = method == "get" || way.contains_key("csrf");
                assert!(!way.contains_key("session") || proved, "{}", operation["operationId"]);
            }
        }
    }
}
