//! Those who take their time: silent connections, slow readers, slow senders, readers who leave. None of
//! them may keep for long what others need.

use std::fs;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use skaas_testkit::process::Installation;

use crate::raw::{
    authorization, eventually, fetch_request, metric, narrow, open, peak_kib, status, until_closed,
};
use crate::story::{House, Person, SKILL};

/// Bytes of the large file: far more than both sockets hold.
const LARGE: usize = 6 << 20;

fn impatient(packs: &str, pushes: &str) -> House {
    House::configured(&[SKILL], |installation: Installation| {
        installation
            .with_variable("SKAAS_STALL_SECONDS", "2")
            .with_variable("SKAAS_CONCURRENT_PACKS", packs)
            .with_variable("SKAAS_CONCURRENT_PUSHES", pushes)
    })
}

/// Incompressible bytes, the same every time.
pub(crate) fn noise(count: usize) -> Vec<u8> {
    skaas_testkit::noise::noise(0x9E37_79B9_7F4A_7C15, count)
}

/// Makes the skill large, and gives a buyer of it with the commit they are served.
pub(crate) fn large_skill(house: &House, buyer: &str) -> (Person, String) {
    let work = house.ann.folder.join(SKILL);
    fs::write(work.join("references/large.bin"), noise(LARGE)).unwrap();
    house.release("1.3.0");
    let bob = house.person(buyer);
    house.grant(&bob);
    let tip = tip_of(house, &bob);
    (bob, tip)
}

pub(crate) fn tip_of(house: &House, who: &Person) -> String {
    let url = house.server.at(&crate::story::own(SKILL));
    who.git.ok(&who.folder, &["ls-remote", &url, "HEAD"])[..40].to_owned()
}

fn in_flight(house: &House) -> i64 {
    metric(&house.server, "skaas_packs_in_flight")
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    // The server's own patience with a head is a minute: the listener is asked with less.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let patience = skaas_server::Patience {
        head: Duration::from_millis(300),
        stall: Duration::from_secs(30),
        grace: Duration::from_secs(1),
    };
    let router = axum::Router::new().route("/", axum::routing::get(async || "here"));
    let terms = skaas_server::Terms {
        patience,
        proxies: skaas_server::TrustedProxies::default(),
        connections: 8,
        connections_per_address: 8,
    };
    runtime.spawn(skaas_server::listen(listener, router, terms, std::future::pending()));
    for said in ["", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HT", "GET / HTTP/1.1\r\nhost: h\r\nx:"] {
        let mut stream = open(port);
        stream.write_all(said.as_bytes()).unwrap();
        let (_, waited) = until_closed(stream);
        assert!(waited < Duration::from_secs(10), "{said:?}: {waited:?}");
    }
    // One that has had an answer is closed as well.
    let mut stream = open(port);
    stream.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").unwrap();
    let (read, _) = until_closed(stream);
    assert!(read.ends_with(b"here"), "{}", String::from_utf8_lossy(&read));
}

#[test]
fn a_reader_who_stops_or_trickles_gives_the_place_back() {
    let house = impatient("2", "4");
    let (bob, tip) = large_skill(&house, "bob");
    let request = fetch_request(&bob, "me/skills/migration-guard", &tip);
    let read_slowly = |pause: Option<Duration>| {
        let mut stream = narrow(house.server.port(), 4096);
        stream.write_all(request.as_bytes()).unwrap();
        eventually("the pack is on its way", || in_flight(&house) == 1);
        let began = Instant::now();
        eventually("the place is given back", || {
            if let Some(pause) = pause {
                std::thread::sleep(pause);
                let _ = stream.read(&mut [0; 1024]);
            }
            in_flight(&house) == 0
        });
        began.elapsed()
    };
    assert!(read_slowly(None) >= Duration::from_secs(1), "the place was held while sending");
    // About 3 KiB a second: something is taken long before each silence would be too long.
    read_slowly(Some(Duration::from_millis(350)));
}

#[test]
fn a_reader_who_leaves_in_the_middle_gives_the_place_back_at_once() {
    let house = House::configured(&[SKILL], |i| i.with_variable("SKAAS_CONCURRENT_PACKS", "2"));
    let (bob, tip) = large_skill(&house, "bob");
    for _ in 0..8 {
        let mut stream = narrow(house.server.port(), 4096);
        stream.write_all(fetch_request(&bob, "me/skills/migration-guard", &tip).as_bytes()).unwrap();
        stream.read_exact(&mut [0; 512]).unwrap();
        drop(stream);
    }
    // The default patience is a minute; `eventually` has half of that.
    eventually("all places are free", || in_flight(&house) == 0);
    bob.clone(&bob.git, &house.server, SKILL, "after", &[]);
}

#[test]
fn one_persons_slow_readers_leave_places_for_others() {
    let house = House::configured(&[SKILL], |i| i.with_variable("SKAAS_CONCURRENT_PACKS", "4"));
    let (bob, tip) = large_skill(&house, "bob");
    let request = fetch_request(&bob, "me/skills/migration-guard", &tip);
    let greedy: Vec<_> = (0..6)
        .map(|_| {
            let mut stream = narrow(house.server.port(), 4096);
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    eventually("half of the places are taken", || in_flight(&house) >= 2);
    let carol = house.person("carol");
    let began = Instant::now();
    carol.clone(&carol.git, &house.server, SKILL, "stub", &[]);
    assert!(began.elapsed() < Duration::from_secs(8), "carol waited for bob's readers");
    assert_eq!(in_flight(&house), 2, "half of four");
    drop(greedy);
}

#[test]
fn stalled_readers_of_one_skill_share_its_bytes() {
    let house = House::configured(&[SKILL], |i| i.with_variable("SKAAS_CONCURRENT_PACKS", "256"));
    let (bob, tip) = large_skill(&house, "bob");
    bob.clone(&bob.git, &house.server, SKILL, "warm", &["--depth", "1"]);
    let pid = house.server.pid();
    let before = peak_kib(pid);
    let request = fetch_request(&bob, "me/skills/migration-guard", &tip);
    let readers: Vec<_> = (0..100)
        .map(|_| {
            let mut stream = narrow(house.server.port(), 4096);
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    eventually("they are all being served", || in_flight(&house) >= 90);
    let grown = peak_kib(pid).saturating_sub(before);
    // A copy for each would be 600 MiB.
    assert!(grown < 60 * 1024, "{grown} KiB for 100 stalled readers of {} KiB", LARGE / 1024);
    drop(readers);
}

/// The head of a push to a source of `who`'s and its commands; the pack is to come.
pub(crate) fn begun_push(who: &Person, source: &str) -> String {
    let command =
        format!("{} {} refs/heads/main\0 report-status side-band-64k", "0".repeat(40), "1".repeat(40));
    format!(
        "POST /s/{}/{source}.git/git-receive-pack HTTP/1.1\r\nhost: h\r\n{}content-length: 1000000\r\n\r\n\
         {:04x}{command}0000",
        who.name,
        authorization(who),
        command.len() + 4
    )
}

#[test]
fn a_sender_who_trickles_a_push_gives_the_place_back() {
    let house = impatient("4", "1");
    let mut slow = open(house.server.port());
    slow.write_all(begun_push(&house.ann, SKILL).as_bytes()).unwrap();
    let mut trickle = slow.try_clone().unwrap();
    let trickling = std::thread::spawn(move || {
        // Ends when the server has closed.
        while trickle.write_all(b"0").is_ok() {
            std::thread::sleep(Duration::from_millis(250));
        }
    });
    let (answer, waited) = until_closed(slow);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(status(&answer) == 200 && answer.contains("unpack the request stalled"), "{answer}");
    assert!(waited < Duration::from_secs(15), "{waited:?}");
    trickling.join().unwrap();
    house.release("1.4.0");
}

#[test]
fn one_creators_slow_pushes_leave_places_for_others() {
    let house = House::configured(&[SKILL], |i| i.with_variable("SKAAS_CONCURRENT_PUSHES", "2"));
    let mallory = house.person("mallory");
    let held: Vec<_> = (0..3)
        .map(|number| {
            let mut stream = open(house.server.port());
            let head = begun_push(&mallory, &format!("source-{number}"));
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    eventually("one has its place, the others wait", || {
        metric(&house.server, "skaas_pushes_in_flight") == 1
            && metric(&house.server, "skaas_pushes_waiting") == 2
    });
    let began = Instant::now();
    house.release("1.4.0");
    assert!(began.elapsed() < Duration::from_secs(9), "ann waited for mallory");
    drop(held);
}

/// Connections from one address of loopback that never say a word.
fn silent(port: u16, from: [u8; 4], count: usize) -> Vec<std::net::TcpStream> {
    (0..count).map(|_| crate::raw::open_from(port, from)).collect()
}

fn answers_at_once(port: u16) {
    let began = Instant::now();
    assert_eq!(skaas_testkit::wire::Connection::open(port).get("/healthz").status, 200);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn one_address_with_silent_connections_shuts_nobody_out_and_is_logged_once() {
    let house = House::configured(&[], |i| {
        i.with_variable("SKAAS_CONNECTIONS", "64").with_variable("SKAAS_CONNECTIONS_PER_ADDRESS", "16")
    });
    let port = house.server.port();
    let held = silent(port, [127, 0, 0, 2], 100);
    eventually("those beyond the share are closed", || {
        metric(&house.server, "skaas_connections_refused_total") == 84
    });
    answers_at_once(port);
    let log = house.server.log();
    assert_eq!(log.matches("connections_refused").count(), 1, "{log}");
    assert!(log.contains("127.0.0.2") && log.contains("SKAAS_TRUSTED_PROXIES"), "{log}");
    drop(held);
}

/// Whether the server closed it.
fn is_closed(stream: &std::net::TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    match stream.peek(&mut [0]) {
        Ok(bytes) => bytes == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

#[test]
fn when_many_addresses_take_all_connections_an_idle_one_gives_way() {
    let house = House::configured(&[], |i| {
        i.with_variable("SKAAS_CONNECTIONS", "32").with_variable("SKAAS_CONNECTIONS_PER_ADDRESS", "8")
    });
    let port = house.server.port();
    let held: Vec<_> = (2..6).flat_map(|host| silent(port, [127, 0, 0, host], 8)).collect();
    eventually("all places are taken", || metric(&house.server, "skaas_connections") >= 32);
    for _ in 0..10 {
        answers_at_once(port);
    }
    // If nobody gave way, the newcomer would wait until all of them are closed for their silence.
    let closed = held.iter().filter(|stream| is_closed(stream)).count();
    assert!((1..16).contains(&closed), "{closed} of 32 were closed");
}

#[test]
fn two_accounts_with_slow_readers_leave_places_for_others() {
    let house = House::configured(&[SKILL], |i| i.with_variable("SKAAS_CONCURRENT_PACKS", "4"));
    let (bob, tip) = large_skill(&house, "bob");
    let dave = house.person("dave");
    house.grant(&dave);
    let daves = tip_of(&house, &dave);
    let held: Vec<_> = [(&bob, &tip), (&bob, &tip), (&dave, &daves), (&dave, &daves)]
        .map(|(who, tip)| {
            let mut stream = narrow(house.server.port(), 4096);
            stream.write_all(fetch_request(who, "me/skills/migration-guard", tip).as_bytes()).unwrap();
            stream
        })
        .into();
    eventually("all places are taken", || in_flight(&house) == 4);
    let carol = house.person("carol");
    let began = Instant::now();
    carol.clone(&carol.git, &house.server, SKILL, "stub", &[]);
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    assert_eq!(metric(&house.server, "skaas_packs_cut_total"), 1, "one was cut off for her, and no more");
    drop(held);
}

#[test]
fn a_form_whose_body_never_comes_gives_the_connection_back_at_every_door() {
    let house = impatient("4", "4");
    for (path, kind) in [
        ("/signin", "application/x-www-form-urlencoded"),
        ("/oauth/token", "application/x-www-form-urlencoded"),
        ("/oauth/register", "application/json"),
        ("/auth/cli", "application/x-www-form-urlencoded"),
        ("/mcp", "application/json"),
    ] {
        let mut stream = open(house.server.port());
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-type: {kind}\r\n\
             content-length: 1000\r\n\r\nlogin="
        );
        stream.write_all(head.as_bytes()).unwrap();
        let (_, waited) = until_closed(stream);
        assert!(waited < Duration::from_secs(15), "{path}: {waited:?}");
    }
}
