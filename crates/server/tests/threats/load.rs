//! More than a node can do: what is admitted is quick and right, the rest is told when to come back, and
//! nobody is served what is another's.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use skaas_testkit::app::{TestApp, story};
use skaas_testkit::wire::Connection;

use crate::patience::large_skill;
use crate::raw::{eventually, fetch_request, metric, narrow};
use crate::story::{House, SKILL, full, refs, sight};

#[test]
fn beyond_its_rate_a_token_is_told_when_to_come_back_and_others_notice_nothing() {
    let house = House::configured(&[SKILL], |installation| {
        installation.with_variable("SKAAS_TOKEN_BURST", "20").with_variable("SKAAS_TOKEN_PER_SECOND", "1")
    });
    let (bob, carol) = (house.person("bob"), house.person("carol"));
    house.grant(&carol);
    let mut statuses = Vec::new();
    std::thread::scope(|scope| {
        let hammers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut line = house.connect(&bob);
                    (0..25).map(|_| line.get(&refs("me/marketplace.git"))).collect::<Vec<_>>()
                })
            })
            .collect();
        let began = Instant::now();
        let copy = carol.clone(&carol.git, &house.server, SKILL, "skill", &[]);
        assert_eq!(sight(&copy), full("1.2.0"));
        assert!(began.elapsed() < Duration::from_secs(5));
        statuses = hammers.into_iter().flat_map(|hammer| hammer.join().unwrap()).collect();
    });
    let (taken, told): (Vec<_>, Vec<_>) = statuses.iter().partition(|answer| answer.status == 200);
    assert!((20..60).contains(&taken.len()), "{} of {}", taken.len(), statuses.len());
    for answer in told {
        assert_eq!(answer.status, 429, "{answer:?}");
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=20).contains(&seconds), "{seconds}");
        assert!(answer.text().contains("try again"), "{answer:?}");
    }
}

#[test]
fn when_all_places_are_taken_the_next_is_told_so_and_a_revocation_still_works() {
    let house = House::configured(&[SKILL], |i| i.with_variable("SKAAS_CONCURRENT_PACKS", "2"));
    let (bob, tip) = large_skill(&house, "bob");
    let dave = house.person("dave");
    house.grant(&dave);
    let dave_tip = crate::patience::tip_of(&house, &dave);
    let held: Vec<_> = [(&bob, &tip), (&dave, &dave_tip)]
        .map(|(who, tip)| {
            let mut stream = narrow(house.server.port(), 4096);
            stream.write_all(fetch_request(who, "me/skills/migration-guard", tip).as_bytes()).unwrap();
            stream
        })
        .into();
    eventually("all places are taken", || metric(&house.server, "skaas_packs_in_flight") == 2);
    let carol = house.person("carol");
    let body = crate::raw::fetch_of(&crate::patience::tip_of(&house, &carol));
    let headers = [("git-protocol", "version=2")];
    let path = "/me/skills/migration-guard/git-upload-pack";
    let answer = house.connect(&carol).send("POST", path, &headers, body.as_bytes());
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    // What needs no place goes on: refs, pushes, the end of a token.
    assert_eq!(house.connect(&carol).get(&refs("me/marketplace.git")).status, 200);
    house.admin(&["token", "revoke", "bob"]);
    assert_eq!(house.connect(&bob).get(&refs("me/marketplace.git")).status, 401);
    house.release("1.4.0");
    drop(held);
    carol.clone(&carol.git, &house.server, SKILL, "after", &[]);
}

/// How often each grant is given and taken back.
const FLIPS: u64 = 16;

/// One user's grant as it changes, and how often what was served could be judged by it.
#[derive(Default)]
struct Grant {
    /// Odd while a change is under way; half of it is how many there were.
    moment: AtomicU64,
    judged: AtomicU64,
}

#[test]
fn beyond_the_last_place_a_connection_waits_until_one_ends() {
    let house = House::configured(&[], |i| i.with_variable("SKAAS_CONNECTIONS", "2"));
    let open = || Connection::open(house.server.port());
    let (mut first, mut second) = (open(), open());
    assert_eq!((first.get("/healthz").status, second.get("/healthz").status), (200, 200));
    let mut third = TcpStream::connect((Ipv4Addr::LOCALHOST, house.server.port())).unwrap();
    third.write_all(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").unwrap();
    // Those who are in are answered on and on; who is not gets not a byte.
    for _ in 0..50 {
        assert_eq!(first.get("/healthz").status, 200);
    }
    let mut answer = [0; 12];
    third.set_nonblocking(true).unwrap();
    let early = third.read(&mut answer).map_err(|error| error.kind());
    assert_eq!(early, Err(ErrorKind::WouldBlock), "it was let in beyond the last place");
    drop(second);
    third.set_nonblocking(false).unwrap();
    third.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[test]
fn under_a_storm_of_changes_everybody_gets_their_own_state_and_no_other() {
    story(|app: &TestApp| {
        app.creator("ann").publishes("hot").priced(900);
        let nodes = [app.node(), app.another_node()];
        let names = ["bob", "carol", "dave", "erin", "frank", "grace"];
        for name in names {
            app.buyer(name);
        }
        let grants = names.map(|_| Grant::default());
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for (number, (name, grant)) in names.iter().zip(&grants).enumerate() {
                // Two for each, at different nodes.
                for node in [number % 2, (number + 1) % 2] {
                    let (person, over) = (app.person(name).at(&nodes[node]), &over);
                    scope.spawn(move || read_while(&mut person.connects(), grant, over));
                }
            }
            let writers: Vec<_> = names
                .iter()
                .zip(&grants)
                .map(|(name, grant)| scope.spawn(|| flip(app, name, grant)))
                .collect();
            // A reader that failed is told of by the scope, when all have ended.
            let ended: Vec<_> = writers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
            over.store(true, Ordering::SeqCst);
            for writer in ended {
                writer.unwrap();
            }
        });
        for grant in &grants {
            assert!(grant.judged.load(Ordering::SeqCst) >= FLIPS / 2, "too little could be judged");
        }
    });
}

fn flip(app: &TestApp, name: &str, grant: &Grant) {
    for number in 0..FLIPS {
        grant.moment.fetch_add(1, Ordering::SeqCst);
        if number % 2 == 0 {
            app.person(name).buys("hot");
        } else {
            app.person(name).is_refunded("hot");
        }
        grant.moment.fetch_add(1, Ordering::SeqCst);
        // Until somebody has seen it, but not for ever.
        let judged = grant.judged.load(Ordering::SeqCst);
        let began = Instant::now();
        while grant.judged.load(Ordering::SeqCst) == judged && began.elapsed() < Duration::from_secs(2) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Asks again and again, and judges each answer that fell into a time in which nothing changed.
fn read_while(line: &mut Connection, grant: &Grant, over: &AtomicBool) {
    while !over.load(Ordering::SeqCst) {
        let before = grant.moment.load(Ordering::SeqCst);
        let headers = [("git-protocol", "version=2")];
        let asked = b"0014command=ls-refs\n0000";
        let answer = line.send("POST", "/me/skills/hot/git-upload-pack", &headers, asked);
        assert_eq!(answer.status, 200, "{}", answer.text());
        if before.is_multiple_of(2) && before == grant.moment.load(Ordering::SeqCst) {
            let owned = (before / 2) % 2 == 1;
            assert_eq!(answer.text().contains("refs/tags/v1.0.0"), owned, "after {} changes", before / 2);
            grant.judged.fetch_add(1, Ordering::SeqCst);
        }
    }
}
