//! What leaves the house and what does not: names, addresses, redirects, sizes, time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use secrecy::SecretString;
use skaas_outbound::{
    Egress, Error, Http, HttpLimits, Refusal,
    http_client::{HttpOptions, Request},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use url::Url;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, header, path},
};

use crate::tls::{TlsServer, answer, look_up, loopback};

fn http(allow: &str, options: HttpOptions) -> Http {
    Http::with(allow.parse::<Egress>().unwrap(), options).unwrap()
}

async fn get(http: &Http, url: &str) -> Result<skaas_outbound::http_client::Answer, Error> {
    http.send(Request::get(Url::parse(url).unwrap()).following(3)).await
}

fn off_limits<T>(answer: &Result<T, Error>) -> bool {
    matches!(answer, Err(Error::Refused(Refusal::OffLimits { .. })))
}

/// Counts connections and answers none.
async fn listener() -> (u16, Arc<AtomicUsize>) {
    let (listener, count) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Arc::new(AtomicUsize::new(0)));
    let (port, counted) = (listener.local_addr().unwrap().port(), Arc::clone(&count));
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, count)
}

#[tokio::test]
async fn no_connection_is_made_to_the_own_machine_by_any_spelling_or_name() {
    let (port, connections) = listener().await;
    let own = http("", HttpOptions::default());
    for host in
        ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "0"]
    {
        let refused = get(&own, &format!("https://{host}:{port}/")).await;
        assert!(off_limits(&refused), "{host}: {refused:?}");
    }
    let named =
        http("", HttpOptions { look_up: Some(look_up(vec![vec![loopback(1)]])), ..HttpOptions::default() });
    let refused = get(&named, &format!("https://innocent.example:{port}/")).await;
    assert!(off_limits(&refused), "{refused:?}");
    assert_eq!(connections.load(Ordering::SeqCst), 0);
    // The listener does count: a permitted call arrives there.
    let permitted = http("127.0.0.1", HttpOptions::default());
    let unanswered = get(&permitted, &format!("https://127.0.0.1:{port}/")).await;
    assert!(matches!(unanswered, Err(Error::Unreachable { .. })), "{unanswered:?}");
    assert!(connections.load(Ordering::SeqCst) > 0);
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_judged_at_every_connection() {
    let server = TlsServer::start(loopback(2), "moving.example", |_| answer("200 OK", "", "{}")).await;
    let url = format!("https://moving.example:{}/", server.address.port());
    let options = HttpOptions {
        look_up: Some(look_up(vec![vec![loopback(1), loopback(2)], vec![loopback(1)]])),
        authorities: server.authority.clone(),
        ..HttpOptions::default()
    };
    // 127.0.0.2 stands for what is permitted, 127.0.0.1 for what is not.
    let http = http("127.0.0.2", options);
    assert_eq!(get(&http, &url).await.unwrap().body, "{}");
    let rebound = get(&http, &url).await;
    assert!(off_limits(&rebound), "{rebound:?}");
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn a_redirect_is_judged_like_a_first_call() {
    let (port, connections) = listener().await;
    for (target, off_limits_there) in [
        (format!("https://127.0.0.1:{port}/"), true),
        (format!("https://localhost:{port}/"), true),
        ("https://169.254.169.254/latest/meta-data/".to_owned(), true),
        (format!("http://127.0.0.1:{port}/"), true),
        ("file:///etc/passwd".to_owned(), false),
        (format!("https://user:password@127.0.0.1:{port}/"), false),
    ] {
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(ResponseTemplate::new(302).insert_header("location", target.as_str()))
            .mount(&server)
            .await;
        // The redirecting host is the operator's own; where it leads is not.
        let http = http(
            "start.example",
            HttpOptions { look_up: Some(look_up(vec![vec![loopback(1)]])), ..HttpOptions::default() },
        );
        let start = format!("http://start.example:{}/", server.address().port());
        let refused = get(&http, &start).await;
        assert!(matches!(refused, Err(Error::Refused(_))), "{target}: {refused:?}");
        assert_eq!(off_limits(&refused), off_limits_there, "{target}: {refused:?}");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_credential_stays_with_the_origin_it_was_for() {
    let (here, there) = (MockServer::start().await, MockServer::start().await);
    let token = SecretString::from("token".to_owned());
    Mock::given(path("/same"))
        .respond_with(ResponseTemplate::new(307).insert_header("location", "/end"))
        .mount(&here)
        .await;
    Mock::given(path("/other"))
        .respond_with(ResponseTemplate::new(307).insert_header("location", format!("{}/end", there.uri())))
        .mount(&here)
        .await;
    for server in [&here, &there] {
        Mock::given(path("/end"))
            .and(header("authorization", "Bearer token"))
            .respond_with(ResponseTemplate::new(200).set_body_string("with"))
            .mount(server)
            .await;
        Mock::given(path("/end"))
            .respond_with(ResponseTemplate::new(200).set_body_string("without"))
            .with_priority(9)
            .mount(server)
            .await;
    }
    let http = http("127.0.0.1", HttpOptions::default());
    for (start, end) in [("same", "with"), ("other", "without")] {
        let url = Url::parse(&format!("{}/{start}", here.uri())).unwrap();
        let request = Request::get(url).bearer(&token).unwrap().following(1);
        assert_eq!(http.send(request).await.unwrap().body, end, "{start}");
    }
}

#[tokio::test]
async fn no_redirect_is_followed_unasked_or_without_end_or_with_a_body() {
    let server = MockServer::start().await;
    let http = http("127.0.0.1", HttpOptions::default());
    let url = Url::parse(&server.uri()).unwrap();
    for (request, calls) in [
        (Request::get(url.clone()), 1),
        (Request::get(url.clone()).following(3), 4),
        (Request::post_form(url.clone(), &[("code", "secret")]).following(3), 1),
    ] {
        server.reset().await;
        Mock::given(any())
            .respond_with(ResponseTemplate::new(308).insert_header("location", "/again"))
            .mount(&server)
            .await;
        let refused = http.send(request).await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::Redirect { .. }))), "{refused:?}");
        assert_eq!(server.received_requests().await.unwrap().len(), calls);
    }
}

/// A server that sends `head`, then `body` for as long as somebody listens.
async fn endless(head: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(head.as_bytes()).await;
                while !body.is_empty() && stream.write_all(body.as_bytes()).await.is_ok() {}
                let _ = stream.read(&mut request).await;
            });
        }
    });
    format!("http://{address}/")
}

#[tokio::test]
async fn an_answer_is_read_no_further_than_its_cap() {
    let limits = HttpLimits { body: 1000, ..HttpLimits::default() };
    let http = http("127.0.0.1", HttpOptions { limits, ..HttpOptions::default() });
    for (head, body) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", ""),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "a"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "8\r\naaaaaaaa\r\n"),
        ("HTTP/1.0 200 OK\r\n\r\n", "aaaaaaaa"),
    ] {
        let answer = get(&http, &endless(head, body).await).await;
        assert!(matches!(answer, Err(Error::TooLarge { limit: 1000, .. })), "{head}: {answer:?}");
    }
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_bytes(vec![b'a'; 1000]))
        .mount(&server)
        .await;
    assert_eq!(get(&http, &server.uri()).await.unwrap().body.len(), 1000);
}

#[tokio::test]
async fn a_compressed_answer_is_not_blown_up() {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(
            ResponseTemplate::new(200)
                .insert_header("content-encoding", "gzip")
                .set_body_bytes(vec![0x1f; 64]),
        )
        .mount(&server)
        .await;
    let answer = get(&http("127.0.0.1", HttpOptions::default()), &server.uri()).await.unwrap();
    assert_eq!(answer.body.len(), 64);
    let asked = &server.received_requests().await.unwrap()[0];
    assert!(!asked.headers.contains_key("accept-encoding"), "{:?}", asked.headers);
}

#[tokio::test]
async fn whoever_never_finishes_is_left_alone_in_time() {
    let limits = HttpLimits { patience: Duration::from_millis(300), ..HttpLimits::default() };
    let http = http("127.0.0.1", HttpOptions { limits, ..HttpOptions::default() });
    for head in ["", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\naaa", "HTTP/1.1 200"] {
        let late = get(&http, &endless(head, "").await).await;
        assert!(
            matches!(&late, Err(error @ Error::TimedOut { .. }) if error.is_transient()),
            "{head}: {late:?}"
        );
    }
}

#[tokio::test]
async fn an_error_names_the_host_and_no_more_of_the_address() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let http = http("127.0.0.1", HttpOptions::default());
    let error = get(&http, &format!("http://127.0.0.1:{port}/path?token=hunter2")).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert_eq!(error.to_string(), "127.0.0.1 cannot be reached");
    let mut printed = format!("{error:?}");
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = cause {
        printed += &error.to_string();
        cause = error.source();
    }
    assert!(!printed.contains("hunter2") && !printed.contains("/path"), "{printed}");
}

#[tokio::test]
async fn a_certificate_of_nobody_we_trust_is_refused() {
    let server = TlsServer::start(loopback(1), "tls.example", |_| answer("200 OK", "", "{}")).await;
    let names = || Some(look_up(vec![vec![loopback(1)]]));
    let url = format!("https://tls.example:{}/", server.address.port());
    let untrusting = http("tls.example", HttpOptions { look_up: names(), ..HttpOptions::default() });
    assert!(matches!(get(&untrusting, &url).await, Err(Error::Unreachable { .. })));
    let authorities = server.authority.clone();
    let trusting = http("*.example", HttpOptions { look_up: names(), authorities, ..HttpOptions::default() });
    get(&trusting, &url).await.unwrap();
    let other_name = format!("https://other.example:{}/", server.address.port());
    assert!(matches!(get(&trusting, &other_name).await, Err(Error::Unreachable { .. })));
    assert_eq!(server.asked(), 1);
}
