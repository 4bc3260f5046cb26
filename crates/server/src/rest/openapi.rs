//! Owns the OpenAPI 3.1 document. Refuses to be written by hand: it is made from the handlers.

use axum::Json;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{me, sessions, tokens};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "skaas",
        description = "Accounts, api tokens and sessions of a skaas server. Errors are RFC 9457 problem+json.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    paths(
        me::me, me::profile, tokens::list, tokens::create, tokens::revoke, tokens::revoke_current,
        sessions::list, sessions::revoke
    ),
    modifiers(&TokenScheme),
    tags(
        (name = "account", description = "Who asks"),
        (name = "users", description = "What everybody may know of a user"),
        (name = "tokens", description = "Api tokens: shown once, stored hashed, revoked at once"),
        (name = "sessions", description = "Browser logins")
    )
)]
struct Document;

struct TokenScheme;

impl Modify for TokenScheme {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("sk_live_…")
            .description(Some("An api token; as the password of Basic it works too."))
            .build();
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
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
        for address in super::super::ADDRESSES.iter().filter(|address| **address != "/api/openapi.json") {
            assert!(document.paths.paths.contains_key(*address), "{address}");
        }
    }
}
