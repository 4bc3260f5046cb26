//! Fetching an OAuth client's description of itself.

use std::time::Duration;

use skaas_outbound::{Egress, Error, Http, client_metadata, http_client::HttpOptions};

use crate::tls::{TlsServer, answer, look_up, loopback};

/// A host named `app.example` that serves `body` with `headers`, and a client that may call it.
async fn served(
    status: &'static str,
    headers: &'static str,
    body: impl Fn(&str) -> String + Send + Sync + 'static,
) -> (TlsServer, Http, String) {
    let server =
        TlsServer::start(loopback(1), "app.example", move |path| answer(status, headers, &body(path))).await;
    let options = HttpOptions {
        look_up: Some(look_up(vec![vec![loopback(1)]])),
        authorities: server.authority.clone(),
        ..HttpOptions::default()
    };
    let http = Http::with("app.example".parse::<Egress>().unwrap(), options).unwrap();
    let id = format!("https://app.example:{}/oauth/client.json", server.address.port());
    (server, http, id)
}

fn document(id: &str, more: &str) -> String {
    format!(
        r#"{{"client_id":"{id}","client_name":"App","redirect_uris":["http://127.0.0.1/callback"]{more}}}"#
    )
}

/// The same, with `{id}` for its own address, which is known only once the port is.
async fn fetched(
    status: &'static str,
    headers: &'static str,
    text: &str,
) -> Result<client_metadata::ClientMetadata, Error> {
    let text = text.to_owned();
    // The id reaches the server through its own path: what is asked for is what it names.
    let port = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let known = std::sync::Arc::clone(&port);
    let (_server, http, id) =
        served(status, headers, move |_| text.replace("{id}", known.get().map_or("", String::as_str))).await;
    port.set(id.clone()).unwrap();
    client_metadata::fetch(&http, &id).await
}

#[tokio::test]
async fn a_client_is_what_the_document_at_its_id_says() {
    let text = document("{id}", r#","scope":"mcp","logo_uri":"https://app.example/logo.png","unknown":[1]"#);
    let client = fetched("200 OK", "", &text).await.unwrap();
    assert_eq!(client.client_name.as_deref(), Some("App"));
    assert_eq!(client.redirect_uris, ["http://127.0.0.1/callback"]);
    assert_eq!(client.grant_types, ["authorization_code"]);
    assert_eq!((client.scope.as_deref(), client.max_age), (Some("mcp"), Duration::from_mins(15)));
}

#[tokio::test]
async fn it_is_kept_as_long_as_its_server_says_within_bounds() {
    for (header, kept) in [
        ("Cache-Control: public, max-age=3600\r\n", Duration::from_hours(1)),
        ("Cache-Control: max-age=1\r\n", Duration::from_mins(1)),
        ("Cache-Control: max-age=99999999\r\n", Duration::from_hours(24)),
        ("Cache-Control: no-store\r\n", Duration::from_mins(1)),
        ("Cache-Control: max-age=soon\r\n", Duration::from_mins(15)),
    ] {
        assert_eq!(fetched("200 OK", header, &document("{id}", "")).await.unwrap().max_age, kept, "{header}");
    }
}

#[tokio::test]
async fn a_document_that_is_another_clients_or_holds_a_secret_is_refused() {
    let big = format!(r#","padding":"{}""#, "a".repeat(5 * 1024));
    for (case, text) in [
        ("another client's", document("https://app.example/oauth/client.json", "")),
        ("nobody's", r#"{"redirect_uris":["http://127.0.0.1/"]}"#.to_owned()),
        ("a secret in it", document("{id}", r#","client_secret":"x""#)),
        ("a secret by another name", document("{id}", r#","client_secret_expires_at":0"#)),
        ("secret methods", document("{id}", r#","token_endpoint_auth_method":"client_secret_basic""#)),
        ("no redirects", r#"{"client_id":"{id}","redirect_uris":[]}"#.to_owned()),
        (
            "redirects of another type",
            r#"{"client_id":"{id}","redirect_uris":"http://127.0.0.1/"}"#.to_owned(),
        ),
        ("not JSON", "<html>".to_owned()),
    ] {
        let refused = fetched("200 OK", "", &text).await;
        assert!(matches!(refused, Err(Error::Malformed { .. })), "{case}: {refused:?}");
    }
    assert!(matches!(fetched("200 OK", "", &document("{id}", &big)).await, Err(Error::TooLarge { .. })));
    assert!(matches!(fetched("404 Not Found", "", "{}").await, Err(Error::Status { .. })));
    let moved = fetched("302 Found", "Location: /elsewhere.json\r\n", "").await;
    assert!(matches!(moved, Err(Error::Refused(_))), "{moved:?}");
}

#[tokio::test]
async fn a_client_id_on_a_private_address_is_not_called() {
    let (server, _, id) = served("200 OK", "", |_| "{}".to_owned()).await;
    let own = Http::with(
        Egress::default(),
        HttpOptions { look_up: Some(look_up(vec![vec![loopback(1)]])), ..HttpOptions::default() },
    )
    .unwrap();
    let port = server.address.port();
    for id in [
        id,
        format!("https://127.0.0.1:{port}/client.json"),
        "https://169.254.169.254/client.json".to_owned(),
    ] {
        let refused = client_metadata::fetch(&own, &id).await;
        assert!(matches!(refused, Err(Error::Refused(_))), "{id}: {refused:?}");
    }
    let plain = client_metadata::fetch(&own, &format!("http://127.0.0.1:{port}/client.json")).await;
    assert!(matches!(plain, Err(Error::Malformed { .. })), "{plain:?}");
    assert_eq!(server.asked(), 0);
}
