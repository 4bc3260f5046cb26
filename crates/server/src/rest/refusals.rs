//! Owns what the OpenAPI document says of answers that refuse. Refuses to decide when they are given.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses,
    openapi::{
        ContentBuilder, Ref, RefOr, Response, ResponseBuilder,
        header::HeaderBuilder,
        schema::{ObjectBuilder, Type},
    },
};

fn refusal(status: &str, about: &str, header: Option<(&str, &str)>) -> BTreeMap<String, RefOr<Response>> {
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let mut response = ResponseBuilder::new().description(about).content("application/problem+json", body);
    if let Some((name, about)) = header {
        let text = ObjectBuilder::new().schema_type(Type::String).build();
        response =
            response.header(name, HeaderBuilder::new().schema(Some(text)).description(Some(about)).build());
    }
    BTreeMap::from([(status.to_owned(), RefOr::T(response.build()))])
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $status:literal, $about:literal, $header:expr;)*) => {
        $($(#[$doc])* pub(super) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                refusal($status, $about, $header)
            }
        })*
    };
}

refusals! {
    /// For bodies and parameters.
    Unfit = "400", "The request is malformed: its body, a parameter, or percent-escapes that are not UTF-8. Nothing was changed.", None;
    /// For every address that is not open to everybody.
    Unknown = "401", "No valid credentials: the token is missing, wrong, expired or revoked.", Some(("WWW-Authenticate", "Where to get an access token for this API."));
    /// For every address that is not open to everybody.
    Limited = "403", "The credentials are valid but don't allow this, the Basic username is another user's, or a \
        browser sent no X-CSRF-Token.",
        Some(("WWW-Authenticate", "The missing scope, if that is the reason."));
    /// For addresses that name something.
    Absent = "404", "It does not exist, or it belongs to another user.", None;
    /// For bodies.
    TooLarge = "413", "The body is larger than 64 KiB.", None;
    /// For every address.
    TooOften = "429", "Too many requests. Try again later.",
        Some(("Retry-After", "Seconds to wait."));
    /// For every address.
    Away = "503", "The server is busy or temporarily unavailable; nothing was changed.",
        Some(("Retry-After", "Seconds to wait."));
}
