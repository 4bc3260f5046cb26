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
    Unknown = "401", "Nothing was shown that works: no token, a wrong one, or one that has ended or was \
        revoked.", Some(("WWW-Authenticate", "Where an access token for this interface is to be had."));
    /// For every address that is not open to everybody.
    Limited = "403", "What was shown works, but may not do this; the name beside it in Basic is another's; or a \
        browser sent no X-CSRF-Token.",
        Some(("WWW-Authenticate", "Which scope is missing, where it is that."));
    /// For addresses that name something.
    Absent = "404", "There is none, or it is another's: both read the same.", None;
    /// For bodies.
    TooLarge = "413", "The body is larger than 64 KiB.", None;
    /// For every address.
    TooOften = "429", "There were too many requests; the next one is taken after a while.",
        Some(("Retry-After", "When that is, in seconds."));
    /// For every address.
    Away = "503", "The server is busy, or what it stands on is away; nothing was changed.",
        Some(("Retry-After", "When it is worth asking again, in seconds."));
}
