//! A range service that misbehaves. How it is asked when all is well is told with the accounts.

use skaas_outbound::{
    Egress, Error, Http,
    breaches::RangeService,
    http_client::{HttpLimits, HttpOptions},
};

use crate::tls::{TlsServer, answer, look_up, loopback};

/// The SHA-1 of "password" is 5BAA6, and this.
const SUFFIX: &str = "1E4C9B93F3F0682250B6CF8331B7EE68FD8";

/// What becomes of asking for "password" at a service that gives this answer.
async fn asked(
    status: &'static str,
    headers: &'static str,
    body: String,
    allowed: &str,
) -> Result<u64, Error> {
    let server =
        TlsServer::start(loopback(1), "range.example", move |_| answer(status, headers, &body)).await;
    let options = HttpOptions {
        look_up: Some(look_up(vec![vec![loopback(1)]])),
        authorities: server.authority.clone(),
        limits: HttpLimits::default(),
    };
    let http = Http::with(allowed.parse::<Egress>().unwrap(), options).unwrap();
    let base = format!("https://range.example:{}/range/", server.address.port());
    let count = RangeService::new(http, &base).unwrap().count("password").await;
    let requests = server.requests.lock().unwrap().clone();
    assert!(requests.iter().all(|line| line.starts_with("GET /range/5BAA6 ")), "{requests:?}");
    count
}

#[tokio::test]
async fn a_range_service_counts_only_what_it_lists_and_a_strange_answer_is_an_error() {
    let here = "range.example";
    assert_eq!(asked("200 OK", "", format!("{SUFFIX}:9659365\r\n"), here).await.unwrap(), 9_659_365);
    assert_eq!(asked("200 OK", "", String::new(), here).await.unwrap(), 0);
    for (status, headers, body) in [
        ("200 OK", "", "<html>Sign in to the hotel's network</html>".to_owned()),
        ("200 OK", "", format!("{SUFFIX}:1\r\n").repeat(20_000)),
        ("404 Not Found", "", String::new()),
        ("302 Found", "location: https://range.example/elsewhere\r\n", String::new()),
    ] {
        let shown: String = body.chars().take(40).collect();
        assert!(asked(status, headers, body, here).await.is_err(), "{status} {shown}");
    }
}

#[tokio::test]
async fn a_range_service_on_a_private_address_is_called_only_with_the_operators_leave() {
    let refused = asked("200 OK", "", String::new(), "").await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    for wrong in
        ["", "range.example", "ftp://range.example/", "https://range.example/range", "https://x/?a=b/"]
    {
        assert!(RangeService::new(Http::new(Egress::default()).unwrap(), wrong).is_err(), "{wrong}");
    }
}
