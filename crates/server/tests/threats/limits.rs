//! How many requests may come: counted by token, else by address, by all nodes together where there is a Redis;
//! and who it is that asks, when proxies stand in front.

use std::num::NonZeroU32;
use std::time::Instant;

use jiff::SignedDuration;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use skaas_app::{Limits, Rate};
use skaas_domain::{
    secret::{Secret, SecretKind},
    token::ApiToken,
};
use skaas_server::TrustedProxies;
use skaas_testkit::app::{Browser, Fitting, Node, TestApp, TestDatabase, redis_url, story};
use skaas_testkit::process::Installation;
use skaas_testkit::wire::{Answer, Connection};

use crate::go_between::GoBetween;
use crate::story::{installation, refs};

/// How many requests may come at once; one more each second.
const FEW: u32 = 5;
const MARKETPLACE: &str = "me/marketplace.git";

fn few() -> Limits {
    let (few, one) = (NonZeroU32::new(FEW).unwrap(), NonZeroU32::MIN);
    Limits {
        token_burst: few,
        token_per_second: one,
        address_burst: few,
        address_per_second: one,
        ..Limits::default()
    }
}

/// A node that a proxy on this machine may stand before.
fn behind_a_proxy(app: &TestApp, rate: Rate) -> std::sync::Arc<Node> {
    let proxies = TrustedProxies::parse("127.0.0.1", "x-forwarded-for").unwrap();
    app.node_fitted(Fitting { limits: few(), rate, proxies })
}

fn counting_in(app: &TestApp, rate: Rate) -> std::sync::Arc<Node> {
    app.node_fitted(Fitting { limits: few(), rate, ..Fitting::default() })
}

/// An installation whose ids no other run of the tests has counted in Redis.
fn never_seen() -> TestApp {
    TestApp::new(TestDatabase::sqlite(), StdRng::from_os_rng().random())
}

fn redis(app: &TestApp, url: &str) -> Rate {
    app.run(async { Rate::redis(url) }).unwrap()
}

/// The statuses of so many questions of git's with somebody's token.
fn asks(line: &mut Connection, times: u32) -> Vec<u16> {
    (0..times).map(|_| line.get(&refs(MARKETPLACE)).status).collect()
}

fn admitted(statuses: &[u16]) -> usize {
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    statuses.iter().filter(|status| **status == 200).count()
}

/// A well-formed token of nobody's.
fn unknown() -> String {
    ApiToken::generate(&mut StdRng::seed_from_u64(7)).reveal().to_owned()
}

#[track_caller]
fn says_when(answer: &Answer) -> u64 {
    assert_eq!(answer.status, 429, "{answer:?}");
    assert!(answer.text().contains("try again in"), "{}", answer.text());
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&seconds), "{seconds}");
    seconds
}

#[test]
fn nodes_with_a_redis_count_a_token_together_and_without_one_each_by_itself() {
    let Some(url) = redis_url() else { return };
    let app = never_seen();
    for (shared, both) in [(true, FEW), (false, 2 * FEW)] {
        let nodes = [0, 1].map(|_| {
            let rate = if shared { redis(&app, &url) } else { Rate::in_process() };
            counting_in(&app, rate)
        });
        let bob = app.buyer(if shared { "bob" } else { "carol" });
        let mut lines = nodes.each_ref().map(|node| bob.at(node).connects());
        let mut statuses = Vec::new();
        for _ in 0..2 * FEW {
            statuses.extend(lines.iter_mut().flat_map(|line| asks(line, 1)));
        }
        assert_eq!(admitted(&statuses), both as usize, "{statuses:?}");
        // The REST interface counts the same token, and a second brings one more.
        let told = bob.at(&nodes[1]).connects().get("/api/me");
        assert_eq!(told.header("content-type"), Some("application/problem+json"));
        assert!(told.text().contains("with this token"), "{}", told.text());
        app.pass(SignedDuration::from_secs(says_when(&told).try_into().unwrap()));
        let statuses: Vec<u16> = lines.iter_mut().flat_map(|line| asks(line, 1)).collect();
        assert_eq!(admitted(&statuses), if shared { 1 } else { 2 });
    }
    app.finish();
}

#[test]
fn while_redis_is_away_every_node_counts_by_itself_and_says_so_once() {
    let Some(url) = redis_url() else { return };
    let between = GoBetween::before(&url);
    let app = never_seen();
    let (near, far) = (counting_in(&app, redis(&app, &url)), counting_in(&app, redis(&app, &between.url())));
    let bob = app.buyer("bob");
    let (mut near, mut far) = (bob.at(&near).connects(), bob.at(&far).connects());
    assert_eq!(admitted(&asks(&mut far, FEW)), FEW as usize);
    assert_eq!(admitted(&asks(&mut near, FEW)), 0);
    between.cut();
    let said = |event: &str| app.log().lines().iter().filter(|line| line.event == event).count();
    assert_eq!(admitted(&asks(&mut far, 20)), FEW as usize, "nobody is refused for it, and nobody unbounded");
    assert_eq!(said("rates_are_not_shared"), 1);
    between.mend();
    // One request in five seconds tries whether it is back.
    let tries = (0..10).take_while(|_| {
        app.pass(SignedDuration::from_secs(6));
        asks(&mut far, 1);
        said("rates_are_shared_again") == 0
    });
    assert!(tries.count() < 10, "it is never asked again");
    app.pass(SignedDuration::from_secs(60));
    let statuses = [asks(&mut near, FEW), asks(&mut far, FEW)].concat();
    assert_eq!(admitted(&statuses), FEW as usize);
    assert_eq!(said("rates_are_not_shared"), 1);
    app.finish();
}

#[test]
fn the_first_question_of_git_is_never_counted_and_a_token_that_works_is_never_its_neighbours_victim() {
    story(|app| {
        app.creator("ann").publishes("lint-pro").priced(900);
        let node = counting_in(app, Rate::in_process());
        let (bob, carol) = (app.buyer("bob"), app.buyer("carol"));
        let nobody = || Connection::open(node.port());
        let probes = |line: &mut Connection| {
            for path in [MARKETPLACE, "u/bob/marketplace.git", "me/skills/lint-pro.git", "s/ann/lint-pro.git"]
            {
                for service in ["git-upload-pack", "git-receive-pack"] {
                    let path = format!("/{path}/info/refs?service={service}");
                    assert_eq!(line.get(&path).status, 401, "{path}");
                }
            }
        };
        for _ in 0..10 {
            probes(&mut nobody());
        }
        // Tokens that do not work are counted by address: 401 so often, then 429.
        let mut wrong = nobody().basic("bob", &unknown());
        let statuses: Vec<u16> = (0..2 * FEW).map(|_| wrong.get(&refs(MARKETPLACE)).status).collect();
        assert_eq!(statuses, [[401; FEW as usize], [429; FEW as usize]].concat());
        let told = nobody().bearer("sk_live_nonsense").get(&refs(MARKETPLACE));
        says_when(&told);
        assert!(told.header("content-type").unwrap().starts_with("text/plain"));
        assert!(told.text().contains("from this IP address"), "{}", told.text());
        probes(&mut nobody());
        // From the same address come people whose tokens work: real git takes the probe and two questions.
        bob.at(&node).clones("lint-pro").sees_stub();
        // And beyond her own bounds a person is told so, in words, with the probe answered as ever.
        let mut line = carol.at(&node).connects();
        assert_eq!(admitted(&asks(&mut line, 2 * FEW)), FEW as usize);
        let ran = carol.at(&node).try_clone("marketplace", &[]).err().unwrap();
        assert!(ran.stderr.contains("too many requests with this token; try again in"), "{}", ran.stderr);
        probes(&mut nobody());
    });
}

/// Doors that ask for no token, or were shown one that does not work: method, path, body.
const DOORS: [(&str, &str, &str); 13] = [
    ("GET", "/api/me", ""),
    ("GET", "/api/tokens", ""),
    ("GET", "/api/users/nobody", ""),
    ("GET", "/api/openapi.json", ""),
    ("POST", "/oauth/token", "grant_type=refresh_token"),
    ("POST", "/oauth/revoke", "token=x"),
    ("POST", "/oauth/register", "{}"),
    ("POST", "/oauth/device_authorization", "client_id=x"),
    ("POST", "/auth/cli", "scope=nonsense"),
    ("GET", "/auth/cli/status?session=x", ""),
    ("GET", "/signin", ""),
    ("POST", "/signin", "login=bob&password=x"),
    ("POST", "/auth/github/start", "return_to=/"),
];

#[test]
fn who_has_no_token_is_counted_by_address_at_every_door() {
    story(|app| {
        let node = behind_a_proxy(app, Rate::in_process());
        let ask = |line: &mut Connection, (method, path, body): (&str, &str, &str), from: &str| {
            let kind = if path == "/oauth/register" {
                "application/json"
            } else {
                "application/x-www-form-urlencoded"
            };
            let headers = [("x-forwarded-for", from), ("content-type", kind), ("accept", "text/html")];
            line.send(method, path, &headers, body.as_bytes())
        };
        for (number, door) in DOORS.into_iter().enumerate() {
            let mut line = Connection::open(node.port());
            // Whatever of a /64 a person uses, they are one.
            let from = |host: u32| format!("2001:db8:0:{number:x}::{host:x}");
            for host in 0..FEW {
                assert_ne!(ask(&mut line, door, &from(host)).status, 429, "{door:?}");
            }
            let told = ask(&mut line, door, &from(99));
            says_when(&told);
            assert!(
                told.text().to_lowercase().contains("many requests from this ip address"),
                "{}",
                told.text()
            );
            let kind = told.header("content-type").unwrap();
            let meant = match door.1.split('/').nth(1).unwrap() {
                "api" => "application/problem+json",
                "oauth" => "application/json",
                "auth" if door.1.contains("cli") => "application/json",
                _ => "text/html; charset=utf-8",
            };
            assert_eq!(kind, meant, "{door:?}");
            assert_ne!(ask(&mut line, door, "2001:db8:1::1").status, 429, "another is not held back");
            app.pass(SignedDuration::from_secs(1));
            assert_ne!(ask(&mut line, door, &from(0)).status, 429, "{door:?}");
            assert_eq!(ask(&mut line, door, &from(0)).status, 429, "{door:?}");
            app.pass(SignedDuration::from_secs(10));
        }
        let mut line = Connection::open(node.port());
        for path in ["/assets/app.css", "/healthz", "/readyz", "/.well-known/oauth-authorization-server"] {
            for _ in 0..2 * FEW {
                assert_eq!(ask(&mut line, ("GET", path, ""), "198.51.100.1").status, 200, "{path}");
            }
        }
    });
}

#[test]
fn tokens_that_do_not_work_are_counted_by_address_wherever_they_are_shown() {
    story(|app| {
        let node = behind_a_proxy(app, Rate::in_process());
        let access = Secret::generate(SecretKind::AccessToken, &mut StdRng::seed_from_u64(7));
        let access = access.reveal();
        for (number, (path, authorization)) in [
            ("/api/me", format!("Bearer {}", unknown())),
            ("/api/me", format!("Bearer {access}")),
            ("/api/tokens", "Digest nonsense".to_owned()),
            ("/api/users/bob", format!("Bearer {}", unknown())),
            ("/mcp", format!("Bearer {access}")),
        ]
        .into_iter()
        .enumerate()
        {
            let from = format!("198.51.100.{number}");
            let headers = [("x-forwarded-for", from.as_str()), ("authorization", authorization.as_str())];
            let mut line = Connection::open(node.port());
            let mut ask = || line.send("GET", path, &headers, b"");
            for _ in 0..FEW {
                assert!([401, 404].contains(&ask().status), "{path}");
            }
            says_when(&ask());
        }
        // A client's first question to the MCP endpoint is the one without a token.
        let mut line = Connection::open(node.port());
        for _ in 0..2 * FEW {
            assert_eq!(line.get("/mcp").status, 401);
        }
    });
}

#[test]
fn a_flood_with_a_stolen_token_does_not_keep_its_owner_from_ending_it() {
    story(|app| {
        let node = counting_in(app, Rate::in_process());
        let bob = app.buyer("bob");
        let mut thief = bob.at(&node).connects();
        assert_eq!(admitted(&asks(&mut thief, 10 * FEW)), FEW as usize);
        let mut line = bob.at(&node).connects();
        says_when(&line.get("/api/tokens"));
        assert_eq!(line.send("DELETE", "/api/tokens/current", &[], b"").status, 200);
        assert_eq!(asks(&mut thief, 1), [401]);
        // By what an application holds, and from an address that has used up its own requests.
        for _ in 0..FEW {
            Connection::open(node.port()).get("/api/users/bob");
        }
        says_when(&Connection::open(node.port()).get("/api/users/bob"));
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let body = b"client_id=skaas-cli&token=nonsense";
        assert_eq!(Connection::open(node.port()).send("POST", "/oauth/revoke", &form, body).status, 200);
    });
}

#[test]
fn where_a_token_was_last_used_is_shown_and_nobody_makes_it_up() {
    story(|app| {
        let (plain, proxied) = (app.node(), behind_a_proxy(app, Rate::in_process()));
        let bob = app.buyer("bob");
        let used_from = |node: &Node, said: &str| {
            app.pass(SignedDuration::from_secs(1));
            let mut line = bob.at(node).connects();
            let answer = line.send("GET", &refs(MARKETPLACE), &[("x-forwarded-for", said)], b"");
            assert_eq!(answer.status, 200, "{answer:?}");
            app.tidies();
            let shown = bob.at(&plain).connects().get("/api/tokens");
            let shown: serde_json::Value = serde_json::from_slice(&shown.body).unwrap();
            assert!(shown["tokens"][0]["last_used_at"].is_string(), "{shown}");
            shown["tokens"][0]["last_used_from"].as_str().unwrap().to_owned()
        };
        assert_eq!(used_from(&plain, "203.0.113.9"), "127.0.0.1");
        assert_eq!(used_from(&proxied, "1.2.3.4, 203.0.113.9"), "203.0.113.9");
        // Within the same minute, from elsewhere: that is what its owner wants to know.
        assert_eq!(used_from(&proxied, "::ffff:203.0.113.10"), "203.0.113.10");
        assert_eq!(used_from(&proxied, "2001:db8::7"), "2001:db8::7");
        assert_eq!(used_from(&proxied, "nonsense"), "127.0.0.1");
        app.pass(SignedDuration::from_mins(1));
        assert_eq!(used_from(&plain, "203.0.113.9"), "127.0.0.1");
    });
}

#[test]
fn a_browser_login_and_the_tries_before_it_are_of_the_address_behind_the_proxy() {
    story(|app| {
        let proxies = TrustedProxies::parse("127.0.0.1", "forwarded").unwrap();
        let node = app.node_fitted(Fitting { proxies, ..Fitting::default() });
        let signs = |browser: &mut Browser, action: &str, from: &str, fields: [(&str, &str); 3]| {
            let csrf = browser.open("/signin?again=1").hidden_fields("/signin").remove(0).1;
            let said = format!("for=\"1.2.3.4\", for=\"[{from}]:4711\"");
            let headers = [("forwarded", said.as_str()), ("sec-fetch-site", "same-origin")];
            let fields = [fields.as_slice(), &[("csrf", csrf.as_str())]].concat();
            browser.post(action, &fields, &headers).status()
        };
        // The browser that signs up has attempts of its own from then on.
        let (mut ann, mut stranger) = (app.browser_at(&node), app.browser_at(&node));
        let password = "copper lantern quietly drifts";
        let new = [("username", "ann"), ("email", "ann@example.test"), ("password", password)];
        assert_eq!(signs(&mut ann, "/signup", "2001:db8::7", new), 303);
        // Ten tries at one account from one network; from another there are ten more.
        let tried = |password| [("login", "ann"), ("password", password), ("return_to", "")];
        let mut wrong = |from: &str| signs(&mut stranger, "/signin", from, tried("wrong horse wrong staple"));
        for host in 0..10 {
            assert_eq!(wrong(&format!("2001:db8:1::{host:x}")), 422);
        }
        assert_eq!(wrong("2001:db8:1::99"), 429);
        assert_eq!(wrong("2001:db8:2::1"), 422);
        assert_eq!(signs(&mut ann, "/signin", "2001:db8:3::1", tried(password)), 303);
        ann.open("/account/sessions").says("2001:db8:3::1").omits("1.2.3.4").omits("127.0.0.1");
    });
}

#[test]
fn the_program_shares_counts_by_redis_url_and_believes_the_proxies_it_is_told_of() {
    let Some(url) = redis_url() else { return };
    let from =
        format!("2001:db8:{:x}:{:x}::1", StdRng::from_os_rng().random::<u16>(), std::process::id() & 0xffff);
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let servers = folders.each_ref().map(|folder| {
        let variables = [
            ("REDIS_URL", url.as_str()),
            ("SKAAS_TRUSTED_PROXIES", "127.0.0.0/8"),
            ("SKAAS_ADDRESS_BURST", "20"),
            ("SKAAS_ADDRESS_PER_SECOND", "1"),
        ];
        variables
            .iter()
            .fold(installation(folder.path()), |all, (name, value)| all.with_variable(name, value))
            .serve()
    });
    let mut lines = servers.each_ref().map(|server| Connection::open(server.port()));
    let began = Instant::now();
    let mut statuses = Vec::new();
    for _ in 0..30 {
        for line in &mut lines {
            statuses.push(line.send("GET", "/api/me", &[("x-forwarded-for", &from)], b"").status);
        }
    }
    // What the machine's clock gave meanwhile comes on top.
    let more = usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
    let taken = statuses.iter().filter(|status| **status == 401).count();
    assert!((20..=20 + more).contains(&taken), "{taken}: {statuses:?}");
    assert_eq!(lines[0].get("/api/me").status, 401, "from another address");
}

#[test]
fn the_doctor_says_who_is_not_believed_and_that_redis_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let looks = |variables: &[(&str, &str)]| {
        let base =
            installation(folder.path()).with_variable("SKAAS_PUBLIC_URL", "https://skills.example.test");
        let set = |all: Installation, (name, value): &(&str, &str)| all.with_variable(name, value);
        variables.iter().fold(base, set).run(&["doctor"])
    };
    let alone = looks(&[]);
    assert!(alone.stdout.contains("count as one address"), "{}", alone.stdout);
    assert!(!alone.stdout.contains("redis"), "{}", alone.stdout);
    let away = [("SKAAS_TRUSTED_PROXIES", "10.0.0.0/8"), ("REDIS_URL", "redis://:secret-word@127.0.0.1:1")];
    let told = looks(&away);
    assert!(!told.succeeded());
    assert!(told.stdout.contains("10.0.0.0/8 trusted") && told.stdout.contains("check redis.url"));
    assert!(!format!("{} {}", told.stdout, told.stderr).contains("secret-word"));
    if let Some(url) = redis_url() {
        let well = looks(&[("REDIS_URL", &url)]);
        assert!(well.stdout.contains("nodes count requests together"), "{}", well.stdout);
    }
}
