//! Every kind of request and answer: methods, bodies, pieces, the bounds of one call, and the two ways out.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderName, HeaderValue, Method};
use secrecy::SecretString;
use serde_json::json;
use skaas_outbound::{
    Egress, Error, Http, Refusal,
    http_client::{HttpOptions, LookUp, Request},
    request::{Form, Upload},
    ways_out::WaysOut,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use url::Url;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::tls::loopback;

fn near() -> Http {
    Http::new("127.0.0.1".parse::<Egress>().unwrap()).unwrap()
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

/// A server that says yes to everything and remembers it.
async fn agreeable() -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    server
}

/// `count` pieces of 64 KiB.
fn pieces(count: usize) -> Upload {
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    let length = (count * piece.len()) as u64;
    Upload::new(stream::iter((0..count).map(move |_| Ok::<_, Infallible>(piece.clone()))), Some(length))
}

#[tokio::test]
async fn every_method_and_kind_of_body_arrives_as_it_was_meant() {
    let server = agreeable().await;
    let at = |path: &str| url(&format!("{}{path}", server.uri()));
    let text = HeaderValue::from_static("text/plain");
    for request in [
        Request::new(Method::PUT, at("/json")).json(&json!({ "a": [1, "ü"] })).unwrap(),
        Request::new(Method::PATCH, at("/form")).form(&[("a", "1 & 2"), ("b", "ü")]),
        Request::new(Method::DELETE, at("/nothing")),
        Request::new(Method::HEAD, at("/nothing")),
        Request::new(Method::OPTIONS, at("/nothing")),
        Request::new(Method::POST, at("/text")).body(text.clone(), Bytes::from_static(b"plain")),
        Request::new(Method::PUT, at("/upload")).upload(text, pieces(3)),
    ] {
        near().send(request).await.unwrap().successful().unwrap();
    }
    let received = server.received_requests().await.unwrap();
    let told: Vec<_> = received
        .iter()
        .map(|request| {
            let kind = request.headers.get("content-type").map(|value| value.to_str().unwrap().to_owned());
            let method = request.method.as_str().to_owned();
            (method, kind, String::from_utf8_lossy(&request.body).chars().take(40).collect::<String>())
        })
        .collect();
    let wanted = [
        ("PUT", Some("application/json"), r#"{"a":[1,"ü"]}"#.to_owned()),
        ("PATCH", Some("application/x-www-form-urlencoded"), "a=1+%26+2&b=%C3%BC".to_owned()),
        ("DELETE", None, String::new()),
        ("HEAD", None, String::new()),
        ("OPTIONS", None, String::new()),
        ("POST", Some("text/plain"), "plain".to_owned()),
        ("PUT", Some("text/plain"), "x".repeat(40)),
    ];
    let wanted = wanted.map(|(method, kind, body)| (method.to_owned(), kind.map(str::to_owned), body));
    assert_eq!(told, wanted);
    let upload = received.last().unwrap();
    assert_eq!(upload.headers["content-length"], "196608", "a known length is announced");
    assert_eq!(upload.body.len(), 196_608);
}

#[tokio::test]
async fn a_form_with_files_arrives_with_each_part_named() {
    let server = agreeable().await;
    let form = Form::default()
        .text("title", "a \"name\"")
        .file("file", "notes.txt", "text/plain", pieces(2))
        .unwrap()
        .file(
            "more",
            "unknown.bin",
            "application/octet-stream",
            Upload::new(stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"of no known length"))]), None),
        )
        .unwrap();
    let request = Request::new(Method::POST, url(&server.uri())).multipart(form);
    near().send(request).await.unwrap().successful().unwrap();
    let received = &server.received_requests().await.unwrap()[0];
    let kind = received.headers["content-type"].to_str().unwrap();
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    let body = String::from_utf8(received.body.clone()).unwrap();
    let parts: Vec<&str> = body.split(&format!("--{boundary}")).collect();
    assert_eq!(parts.len(), 5, "nothing, three parts, and the end: {kind}");
    for (part, says) in [
        (parts[1], &["name=\"title\"", "a \"name\""][..]),
        (parts[2], &["name=\"file\"", "filename=\"notes.txt\"", "text/plain", "xxx"]),
        (parts[3], &["filename=\"unknown.bin\"", "application/octet-stream", "of no known length"]),
    ] {
        assert!(says.iter().all(|word| part.contains(word)), "{says:?}: {}", &part[..part.len().min(300)]);
    }
    assert!(parts[2].contains(&"x".repeat(2 * 64 * 1024)), "the whole file");
    let nonsense = Form::default().file("file", "x", "no media type", pieces(1));
    assert!(matches!(nonsense, Err(Error::Config(_))));
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_no_success() {
    let server = agreeable().await;
    let broken = stream::iter([Ok(Bytes::from_static(b"half")), Err(io::Error::other("the disk is gone"))]);
    let text = HeaderValue::from_static("text/plain");
    let request = Request::new(Method::PUT, url(&server.uri())).upload(text, Upload::new(broken, Some(8)));
    let failed = near().send(request).await;
    assert!(matches!(failed, Err(Error::Unreachable { .. })), "{failed:?}");
}

/// Takes one connection and reads the head of its request.
async fn one_request(listener: TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    stream
}

#[tokio::test]
async fn an_answer_is_read_piece_by_piece_while_it_comes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = url(&format!("http://{}/", listener.local_addr().unwrap()));
    let (seen, was_seen) = oneshot::channel();
    let server = tokio::spawn(async move {
        let mut stream = one_request(listener).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nfirst").await.unwrap();
        // The second piece comes only after the first was read.
        was_seen.await.unwrap();
        stream.write_all(b"second").await.unwrap();
    });
    let mut answer = near().open(Request::get(address)).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.piece().await.unwrap().unwrap(), "first");
    seen.send(()).unwrap();
    assert_eq!(answer.piece().await.unwrap().unwrap(), "second");
    assert_eq!(answer.piece().await.unwrap(), None);
    server.await.unwrap();
}

/// A server that sends one byte after the other, as fast as `pause` lets it.
async fn dripping(pause: Duration) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = url(&format!("http://{}/", listener.local_addr().unwrap()));
    tokio::spawn(async move {
        let mut stream = one_request(listener).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(pause).await;
        }
    });
    address
}

/// Reads until it fails; how long that took, and the failure.
async fn until_refused(request: Request) -> (Duration, Error) {
    let began = Instant::now();
    let mut answer = near().open(request).await.unwrap();
    loop {
        match answer.piece().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it has no end"),
            Err(error) => return (began.elapsed(), error),
        }
    }
}

#[tokio::test]
async fn each_call_has_its_own_size_patience_and_duration() {
    let often = Duration::from_millis(5);
    let seldom = Duration::from_secs(30);
    let soon = Duration::from_millis(200);
    // The client's own bounds are 1 MiB, 10 seconds and 5 minutes.
    let (_, error) = until_refused(Request::get(dripping(often).await).at_most(3)).await;
    assert!(matches!(error, Error::TooLarge { limit: 3, .. }), "{error:?}");
    let (took, error) = until_refused(Request::get(dripping(seldom).await).within(soon)).await;
    assert!(matches!(error, Error::TimedOut { .. }) && took < Duration::from_secs(8), "{took:?} {error:?}");
    // Each piece is in time, but there is no end of them.
    let (took, error) = until_refused(Request::get(dripping(often).await).lasting(soon)).await;
    assert!(matches!(error, Error::TimedOut { .. }) && took < Duration::from_secs(8), "{took:?} {error:?}");
    let whole = near().send(Request::get(dripping(often).await).within(soon)).await;
    assert!(matches!(whole, Err(Error::TimedOut { .. })), "{whole:?}");
}

#[tokio::test]
async fn no_secret_header_follows_a_redirect_to_another_origin() {
    let (here, there) = (MockServer::start().await, agreeable().await);
    let moved = ResponseTemplate::new(302).insert_header("location", there.uri());
    Mock::given(any()).respond_with(moved).mount(&here).await;
    let secret = SecretString::from("CANARY".to_owned());
    let request = Request::get(url(&here.uri()))
        .secret_header(HeaderName::from_static("x-api-key"), &secret)
        .unwrap()
        .header(http::header::COOKIE, HeaderValue::from_static("session=CANARY"))
        .header(HeaderName::from_static("x-plain"), HeaderValue::from_static("kept"))
        .following(1);
    assert!(!format!("{request:?}").contains("x-api-key\": \"CANARY"), "{request:?}");
    near().send(request).await.unwrap().successful().unwrap();
    assert_eq!(here.received_requests().await.unwrap()[0].headers["x-api-key"], "CANARY");
    let arrived = &there.received_requests().await.unwrap()[0].headers;
    assert!(!arrived.contains_key("x-api-key") && !arrived.contains_key("cookie"), "{arrived:?}");
    assert_eq!(arrived["x-plain"], "kept");
}

#[tokio::test]
async fn a_body_that_is_sent_as_it_comes_follows_no_redirect() {
    let server = MockServer::start().await;
    let moved = ResponseTemplate::new(307).insert_header("location", "/again");
    Mock::given(any()).respond_with(moved).mount(&server).await;
    let text = HeaderValue::from_static("text/plain");
    for method in [Method::GET, Method::PUT] {
        let request = Request::new(method, url(&server.uri())).upload(text.clone(), pieces(1)).following(3);
        let refused = near().send(request).await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::Redirect { .. }))), "{refused:?}");
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 2);
}

/// Names as an operator's own network has them: some lead into it, the rest nowhere.
fn inside() -> LookUp {
    Arc::new(|name| {
        Box::pin(async move {
            match name.as_str() {
                "db.corp.example" => Ok(vec![SocketAddr::new(loopback(1), 0)]),
                "empty.corp.example" => Ok(Vec::new()),
                _ => Err(io::Error::other("no such name")),
            }
        })
    })
}

#[tokio::test]
async fn what_users_name_is_refused_in_words_that_do_not_tell_what_exists_inside() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let options = || HttpOptions { look_up: Some(inside()), ..HttpOptions::default() };
    let ways = WaysOut::with(Egress::default(), Egress::default(), options).unwrap();
    let mut said = Vec::new();
    for host in
        ["db.corp.example", "empty.corp.example", "nowhere.corp.example", "127.0.0.1", "[::ffff:10.0.0.1]"]
    {
        let there = || Request::get(url(&format!("https://{host}:{port}/")));
        let error = ways.for_users().send(there()).await.unwrap_err();
        assert!(matches!(error, Error::Refused(Refusal::NotPublic { .. })), "{host}: {error:?}");
        let named = url(&format!("https://{host}")).host_str().unwrap().to_owned();
        said.push((error.to_string().replace(&named, "HOST"), error.is_transient()));
        // The operator is told what to do about it.
        let error = ways.for_operator().send(there()).await.unwrap_err();
        let tells_apart = if host.starts_with("nowhere") {
            matches!(error, Error::Unreachable { .. })
        } else {
            error.to_string().contains("SKAAS_EGRESS_ALLOW")
        };
        assert!(tells_apart, "{host}: {error:?}");
    }
    said.dedup();
    let sentence = "HOST cannot be called: it is not the address of a public server".to_owned();
    assert_eq!(said, [(sentence, true)], "one sentence for all of them");
    assert!(listener.accept().is_err(), "no connection was made");
}

#[tokio::test]
async fn each_way_out_has_a_list_of_its_own() {
    let server = agreeable().await;
    let near = || "127.0.0.1".parse::<Egress>().unwrap();
    for (operator, users) in [(near(), Egress::default()), (Egress::default(), near())] {
        let ways = WaysOut::new(operator.clone(), users.clone()).unwrap();
        for (way, is_permitted) in [
            (ways.for_operator(), operator != Egress::default()),
            (ways.for_users(), users != Egress::default()),
        ] {
            let answer = way.send(Request::get(url(&server.uri()))).await;
            assert_eq!(answer.is_ok(), is_permitted, "{answer:?}");
        }
    }
}
