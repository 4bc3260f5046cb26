//! The settings as one place: the menu, questions before anything is taken away, what errors lead to, and what
//! pages tell search engines, link previews and caches.

use skaas_testkit::app::story;
use skaas_testkit::wire::Connection;

use super::{PASSWORD, is_in, joins, signs_in, signs_up};

const SETTINGS: [(&str, &str); 8] = [
    ("/account", "Profile"),
    ("/account/password", "Password"),
    ("/account/security", "Passkeys and 2FA"),
    ("/account/identities", "Sign-in methods"),
    ("/account/sessions", "Sessions"),
    ("/account/activity", "Activity"),
    ("/account/tokens", "API tokens"),
    ("/account/applications", "Authorized apps"),
];

#[test]
fn every_setting_is_one_menu_away_and_says_where_it_is() {
    story(|app| {
        let mut ann = joins(app, "ann");
        for (path, name) in SETTINGS {
            let page = ann.open(path);
            page.says(&format!("<h1>{name}</h1>"));
            for (other, name) in SETTINGS {
                let mark = if other == path { " aria-current=\"page\"" } else { "" };
                page.says(&format!("<li><a href=\"{other}\"{mark}><svg"))
                    .says(&format!("</svg>{name}</a></li>"));
            }
        }
    });
}

#[test]
fn nothing_is_taken_away_before_a_page_has_said_what_and_asked() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let mut phone = app.browser();
        signs_in(&mut phone, "ann", PASSWORD);
        let page = ann.open("/account/tokens");
        let made =
            ann.submit(&page, "/account/tokens", &[("name", "laptop"), ("access", "full"), ("days", "30")]);
        made.says("sk_live_");
        for (list, action, question, consequence) in [
            (
                "/account/tokens",
                "/account/tokens/revoke",
                "Revoke laptop?",
                "can no longer sign in. This can",
            ),
            (
                "/account/sessions",
                "/account/sessions/revoke",
                "Sign out Firefox on Linux?",
                "needs your password or another sign-in method to come back",
            ),
            (
                "/account/sessions",
                "/account/sessions/others",
                "Sign out everywhere else?",
                "Every other browser is signed out. This one stays signed in.",
            ),
        ] {
            let page = ann.open(list);
            page.omits(&format!("action=\"{action}\""));
            let asked = ann.open(&page.link_to(action));
            asked.says(&format!("<h1>{question}</h1>")).says(&format!("action=\"{action}\""));
            asked.says(consequence).says(&format!("href=\"{list}\">Cancel</a>"));
            assert!(is_in(&mut phone), "{action}: asking does nothing");
            ann.open("/account/tokens").says("aria-label=\"Revoke laptop\"");
        }
        let page = ann.open("/account/sessions");
        let asked = ann.open(&page.link_to("/account/sessions/others"));
        ann.submit(&asked, "/account/sessions/others", &[]).says("Every other browser is signed out");
        assert!(is_in(&mut ann) && !is_in(&mut phone));
        // What is another's is as absent as what never was.
        let mut eve = signs_up(app, "eve");
        let token = ann.open("/account/tokens").link_to("/account/tokens/revoke");
        for path in [token.as_str(), "/account/tokens/revoke?token=none", "/account/tokens/revoke"] {
            let page = eve.open(path);
            assert_eq!(page.status(), 404, "{path}");
            page.says("href=\"/account/tokens\">Back to settings</a>").omits("laptop");
        }
    });
}

#[test]
fn an_error_page_offers_what_solves_it() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let csrf = ann.open("/").hidden_fields("/theme").remove(0).1;
        let mut stranger = app.browser();
        for (path, status, button) in [
            ("/reset/new?code=sk_link_x", 404, "href=\"/reset\">Request a new link</a>"),
            ("/verify?code=sk_link_x", 404, "href=\"/account\">Send a new link</a>"),
            ("/signup/identity?pending=x", 403, "href=\"/signin\">Sign in again</a>"),
            ("/auth/nobody/start", 405, "href=\"/signin\">Choose another sign-in method</a>"),
            ("/nothing/here", 404, "href=\"/\">Back to home</a>"),
        ] {
            let page = stranger.open(path);
            assert_eq!(page.status(), status, "{path}");
            page.says(button);
            if path.contains("code=") {
                page.says("<h1>Link expired</h1>");
            }
        }
        // A form whose token is of another session leads back to the page that has a new one.
        let forged = ann.post("/account/email", &[("csrf", "0"), ("email", "x@example.test")], &[]);
        assert_eq!(forged.status(), 403);
        forged.says("href=\"/account\">Back to the form</a>");
        // Too many requests are worth another try.
        let mut last = 0;
        for _ in 0..40 {
            let page = ann.post("/reset", &[("csrf", &csrf), ("email", "nobody@example.test")], &[]);
            last = page.status();
        }
        assert_eq!(last, 429);
    });
}

#[test]
fn public_pages_describe_themselves_and_private_ones_stay_out_of_indexes() {
    story(|app| {
        app.creator("ann").publishes("lint-pro").priced(1900);
        let mut stranger = app.browser();
        for (path, title, address) in [
            ("/", "Skills for your agents", "https://skaas.test/"),
            ("/skills/lint-pro", "lint-pro", "https://skaas.test/skills/lint-pro"),
            ("/buy/lint-pro", "lint-pro", "https://skaas.test/skills/lint-pro"),
            ("/@ann", "ann", "https://skaas.test/@ann"),
        ] {
            let page = stranger.open(path);
            page.says("<meta name=\"description\" content=\"").omits("noindex");
            page.says(&format!("<meta property=\"og:title\" content=\"{title}\">"));
            page.says(&format!("<meta property=\"og:url\" content=\"{address}\">"));
            page.says(&format!("<link rel=\"canonical\" href=\"{address}\">"));
        }
        for path in ["/signin", "/signup", "/reset", "/nothing"] {
            stranger.open(path).says("<meta name=\"robots\" content=\"noindex\">").omits("og:title");
        }
        let robots = stranger.visit("/robots.txt");
        assert_eq!(robots.answer.header("content-type"), Some("text/plain; charset=utf-8"));
        robots.says("User-agent: *").says("Disallow: /account").omits("Disallow: /skills");
    });
}

#[test]
fn static_files_are_compressed_and_kept_and_git_is_never_compressed() {
    story(|app| {
        let html = app.browser().open("/").html();
        let mut line = Connection::open(app.node().port());
        for start in
            ["/assets/app.css?v=", "/assets/app.js?v=", "/assets/htmx.js?v=", "/assets/favicon.svg?v="]
        {
            let at = html.find(start).unwrap_or_else(|| panic!("{start} is not linked"));
            let path = html[at..].split('"').next().unwrap();
            let plain = line.get(path);
            let gzipped = line.send("GET", path, &[("accept-encoding", "gzip, br")], b"");
            assert_eq!((plain.status, plain.header("content-encoding")), (200, None), "{path}");
            assert_eq!((gzipped.status, gzipped.header("content-encoding")), (200, Some("gzip")), "{path}");
            for answer in [&plain, &gzipped] {
                assert_eq!(answer.header("vary"), Some("accept-encoding"), "{path}");
                assert!(answer.header("cache-control").unwrap().contains("immutable"), "{path}");
            }
            let tag = gzipped.header("etag").unwrap();
            let again = [("accept-encoding", "gzip"), ("if-none-match", tag)];
            let known = line.send("GET", path, &again, b"");
            assert_eq!((known.status, known.body.len()), (304, 0), "{path}");
            let mut unpacked = String::new();
            let mut decoder = flate2::read::GzDecoder::new(gzipped.body.as_slice());
            std::io::Read::read_to_string(&mut decoder, &mut unpacked).unwrap();
            assert_eq!(unpacked, plain.text(), "{path}");
        }
        let bob = app.buyer("bob");
        let mut git = Connection::open(app.node().port()).bearer(&bob.token());
        let refs = "/me/marketplace.git/info/refs?service=git-upload-pack";
        let answer = git.send("GET", refs, &[("accept-encoding", "gzip, deflate, br")], b"");
        assert_eq!((answer.status, answer.header("content-encoding")), (200, None));
    });
}

#[test]
fn the_marketplace_has_one_address_wherever_it_is_shown() {
    story(|app| {
        let address = "https://skaas.test/me/marketplace.git";
        let mut ann = joins(app, "ann");
        for path in ["/", "/account"] {
            ann.open(path).says(address).omits("/u/ann/");
        }
        app.browser().open("/").says(address).omits("/u/");
        let page = ann.open("/account/tokens");
        let made =
            ann.submit(&page, "/account/tokens", &[("name", "ci"), ("access", "full"), ("days", "30")]);
        made.says(address);
        let token =
            made.html()[made.html().find("sk_live_").unwrap()..].split('<').next().unwrap().trim().to_owned();
        let me = Connection::open(app.node().port()).bearer(&token).get("/api/me").text();
        assert!(me.contains(&format!("\"marketplace\":\"{address}\"")), "{me}");
    });
}
