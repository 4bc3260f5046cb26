//! A service that knows passwords from breaches, as Have I Been Pwned runs one: it has a memory, notes what it was
//! asked, and can be out of order.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use sha1::{Digest as _, Sha1};
use skaas_app::{
    ThirdParties,
    outbound::{Egress, Http, breaches::RangeService},
};
use tokio::net::TcpListener;

use super::{Node, PUBLIC_URL, TestApp};

/// The service. It ends with the test's runtime.
#[derive(Clone, Default)]
pub struct Breaches(Arc<Inner>);

#[derive(Default)]
struct Inner {
    known: Mutex<BTreeSet<String>>,
    asked: Mutex<Vec<String>>,
    is_down: AtomicBool,
}

fn hash(password: &str) -> String {
    Sha1::digest(password.as_bytes()).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

impl Breaches {
    /// Somebody lost this password.
    pub fn learn(&self, password: &str) {
        self.0.known.lock().expect("nobody panics while learning").insert(hash(password));
    }

    /// Every path it was asked for, with ` padded` behind it if padding was asked for.
    pub fn asked(&self) -> Vec<String> {
        self.0.asked.lock().expect("nobody panics while asking").clone()
    }

    /// Puts it out of order, or back.
    pub fn is_down(&self, is_down: bool) {
        self.0.is_down.store(is_down, Ordering::SeqCst);
    }

    fn answer(&self, prefix: &str, padded: bool) -> Response {
        let note = if padded { " padded" } else { "" };
        self.0.asked.lock().expect("nobody panics while asking").push(format!("/range/{prefix}{note}"));
        if self.0.is_down.load(Ordering::SeqCst) {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        if prefix.len() != 5 || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return (StatusCode::BAD_REQUEST, "The hash prefix was not in a valid format").into_response();
        }
        let known = self.0.known.lock().expect("nobody panics while learning");
        let suffixes = known.iter().filter_map(|hash| hash.strip_prefix(prefix));
        let mut lines: Vec<String> = suffixes.map(|suffix| format!("{suffix}:3")).collect();
        // Padding, as the real one mixes it in: other suffixes with a count of 0.
        lines.extend((0..if padded { 800 } else { 0 }).map(|number| format!("{number:035X}:0")));
        lines.sort();
        lines.join("\r\n").into_response()
    }
}

impl TestApp {
    /// One more node, which asks a service about passwords from breaches.
    ///
    /// # Panics
    /// If loopback has no free port.
    pub fn node_that_asks_about_breaches(&self) -> (Arc<Node>, Breaches) {
        let breaches = Breaches::default();
        let range = |State(breaches): State<Breaches>, Path(prefix): Path<String>, headers: HeaderMap| async move {
            breaches.answer(&prefix, headers.get("add-padding").is_some_and(|value| value == "true"))
        };
        let router = Router::new().route("/range/{prefix}", get(range)).with_state(breaches.clone());
        let port = self.run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
            let port = listener.local_addr().expect("it is bound").port();
            tokio::spawn(axum::serve(listener, router).into_future());
            port
        });
        let egress: Egress = "127.0.0.1".parse().expect("a constant");
        let http = Http::new(egress).expect("a client can be made");
        let service = RangeService::new(http, &format!("http://127.0.0.1:{port}/range/"));
        let service = Some(service.expect("an address of ours"));
        (self.node_with(PUBLIC_URL, ThirdParties { breaches: service, ..self.third_parties() }), breaches)
    }
}
