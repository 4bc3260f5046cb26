//! What every page and form holds to: headers, forged requests, faults beside their field, no way off the site.

use skaas_testkit::app::story;

use super::{PASSWORD, joins, signs_up};

#[test]
fn no_form_is_taken_that_our_own_page_in_this_browser_did_not_send() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let mut eve = signs_up(app, "eve");
        let hers = eve.open("/account").hidden_fields("/signout").remove(0).1;
        let own = ann.open("/account").hidden_fields("/signout").remove(0).1;
        let anonymous = app.browser().open("/").hidden_fields("/theme").remove(0).1;
        for token in ["", "0", hers.as_str(), anonymous.as_str(), &own[1..]] {
            let page = ann.post("/account/sessions/others", &[("csrf", token)], &[]);
            assert_eq!(page.status(), 403, "{token}");
            page.says("nothing was changed");
        }
        for headers in [
            [("sec-fetch-site", "cross-site"), ("origin", "https://skaas.test")],
            [("sec-fetch-site", "same-site"), ("origin", "https://evil.skaas.test")],
            [("x", "y"), ("origin", "https://evil.test")],
            [("x", "y"), ("origin", "null")],
        ] {
            let page = ann.post("/account/sessions/others", &[("csrf", &own)], &headers);
            assert_eq!(page.status(), 403, "{headers:?}");
        }
        let page =
            ann.post("/account/sessions/others", &[("csrf", &own)], &[("origin", "https://skaas.test")]);
        assert_eq!(page.status(), 303);
        let big = "x".repeat(70_000);
        assert_eq!(ann.post("/signin", &[("csrf", &own), ("login", &big)], &[]).status(), 413);
    });
}

#[test]
fn a_form_shown_before_signing_in_is_of_no_use_after() {
    story(|app| {
        let mut browser = app.browser();
        let before = browser.open("/signin").hidden_fields("/signin").remove(0).1;
        let page = browser.open("/signup");
        let fields = [("username", "ann"), ("email", "a@example.test"), ("password", PASSWORD)];
        browser.submit(&page, "/signup", &fields);
        assert_eq!(browser.post("/signout", &[("csrf", &before)], &[]).status(), 403);
    });
}

#[test]
fn every_page_goes_out_with_the_headers_that_keep_others_out() {
    story(|app| {
        let mut ann = joins(app, "ann");
        for path in [
            "/",
            "/signin?again=1",
            "/signup",
            "/reset",
            "/verify",
            "/account",
            "/account/tokens",
            "/account/sessions",
            "/account/activity",
            "/account/identities",
            "/account/applications",
            "/api",
            "/@ann",
            "/@nobody",
            "/nothing/at/all",
            "/auth/x/start",
        ] {
            let page = ann.visit(path);
            let header = |name: &str| page.answer.header(name).unwrap_or_default().to_owned();
            let policy = header("content-security-policy");
            for part in
                ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"]
            {
                assert!(policy.contains(part), "{path}: {policy}");
            }
            assert!(!policy.contains("unsafe") && !policy.contains('*'), "{path}: {policy}");
            assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(header("referrer-policy"), "same-origin", "{path}");
            assert_eq!(header("cache-control"), "no-store", "{path}");
            if page.status() != 303 {
                assert_eq!(header("content-type"), "text/html; charset=utf-8", "{path}");
                page.omits(" style=").omits("<script>").omits("onclick").says("</main>");
            }
        }
        // And so does every other page there is.
        let mut pages = 0;
        for address in skaas_server::addresses() {
            let path = address
                .replace("{provider}", "x")
                .replace("{at_username}", "@ann")
                .replace("{name}", "none")
                .replace("{username}", "ann");
            let answer = ann.visit(&path).answer;
            // The interface for programs has no pages, and one redirect.
            if path.starts_with("/api/") {
                continue;
            }
            let is_page = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
            if is_page || answer.header("location").is_some() {
                pages += 1;
                let policy = answer.header("content-security-policy").unwrap_or_default();
                assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
                assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
            }
        }
        assert!(pages > 20, "{pages}");
        for path in ["/assets/app.css", "/assets/app.js"] {
            let kept = app.browser().visit(path).answer;
            assert!(kept.header("cache-control").unwrap().starts_with("public"), "{path}");
            assert_eq!(kept.header("set-cookie"), None, "what caches keep is nobody's: {path}");
        }
        let set = app.browser().visit("/signin");
        let cookie = set.answer.header("set-cookie").unwrap();
        for part in ["__Host-skaas-browser=sk_browser_", "Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(part), "{cookie}");
        }
    });
}

#[test]
fn nobody_is_led_off_the_site() {
    story(|app| {
        joins(app, "ann");
        for (to, lands) in [
            ("//evil.test/x", "/account"),
            ("https://evil.test", "/account"),
            ("/\\evil.test", "/account"),
            ("javascript:alert(1)", "/account"),
            ("/account/tokens?x=1", "/account/tokens?x=1"),
        ] {
            let mut browser = app.browser();
            let query: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
            let page = browser.open(&format!("/signin?return_to={query}"));
            let sent = browser.submit_only(&page, "/signin", &[("login", "ann"), ("password", PASSWORD)]);
            assert_eq!(sent.answer.header("location"), Some(lands), "{to}");
            let csrf = browser.open("/").hidden_fields("/theme").remove(0).1;
            let sent = browser.post("/theme", &[("csrf", &csrf), ("back", to), ("theme", "dark")], &[]);
            let back = sent.answer.header("location").unwrap();
            assert!(back == "/" || back == lands, "{back}");
        }
    });
}

#[test]
fn sign_in_in_the_header_leads_back_to_the_page_and_never_off_the_site() {
    story(|app| {
        joins(app, "ann");
        for (page, link, lands) in [
            ("/", "/signin", "/account"),
            ("/signin?return_to=%2Fapi", "/signin", "/account"),
            ("/signup", "/signin", "/account"),
            ("/@ann?tab=1", "/signin?return_to=%2F%40ann%3Ftab%3D1", "/@ann?tab=1"),
            ("/@nobody-here", "/signin?return_to=%2F%40nobody-here", "/@nobody-here"),
            // Pages that don't exist, with paths that a browser would take for another host.
            ("//evil.test/x", "/signin", "/account"),
            ("//evil.test/@ann?x=//evil.test", "/signin", "/account"),
            ("///evil.test", "/signin", "/account"),
        ] {
            let mut browser = app.browser();
            let seen = browser.visit(page);
            seen.says(&format!("<a href=\"{link}\""));
            let form = browser.open(link);
            let sent = browser.submit_only(&form, "/signin", &[("login", "ann"), ("password", PASSWORD)]);
            assert_eq!(sent.answer.header("location"), Some(lands), "{page}");
        }
    });
}

#[test]
fn who_is_not_signed_in_is_asked_to_and_led_back() {
    story(|app| {
        joins(app, "ann");
        let mut browser = app.browser();
        let page = browser.open("/account/tokens?done=revoked");
        page.says("<h1>Sign in</h1>");
        let page = browser.submit(&page, "/signin", &[("login", "ann"), ("password", PASSWORD)]);
        assert_eq!(page.path, "/account/tokens?done=revoked");
    });
}

#[test]
fn a_fault_stands_beside_its_field_and_what_was_typed_is_kept() {
    story(|app| {
        joins(app, "ann");
        let mut browser = app.browser();
        let page = browser.open("/signup");
        for (username, email, password, field) in [
            ("Ann Lee", "x@example.test", PASSWORD, "username"),
            ("admin", "x@example.test", PASSWORD, "username"),
            ("ann", "x@example.test", PASSWORD, "username"),
            ("a-nn", "x@example.test", PASSWORD, "username"),
            ("аnn", "x@example.test", PASSWORD, "username"),
            ("newbie", "not-an-address", PASSWORD, "email"),
            ("newbie", "x@example.test", "short", "password"),
            ("newbie", "x@example.test", "password1234", "password"),
            ("newbie", "x@example.test", "newbienewbie", "password"),
        ] {
            let fields = [("username", username), ("email", email), ("password", password)];
            let refused = browser.submit(&page, "/signup", &fields);
            assert_eq!(refused.status(), 422, "{fields:?}");
            refused
                .says(&format!("id=\"{field}-fault\""))
                .says(&format!("{field}-fault\""))
                .says(&format!("value=\"{email}\""))
                .omits(password);
            assert_eq!(refused.html().matches("aria-invalid=\"true\"").count(), 1, "{fields:?}");
        }
    });
}

#[test]
fn foreign_text_is_shown_and_never_run() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let nasty = "\"><script>alert(1)</script>";
        let page = ann.open("/account/tokens");
        let fields = [("name", nasty), ("access", "full"), ("days", "30")];
        ann.submit(&page, "/account/tokens", &fields).omits("<script>alert");
        ann.open("/account/tokens").omits("<script>alert").says("&#60;script&#62;alert(1)");
        let refused =
            ann.submit(&page, "/account/tokens", &[("name", nasty), ("access", "full"), ("days", "7")]);
        assert_eq!(refused.status(), 422);
        refused.omits("<script>alert");
        app.browser().open("/signin?return_to=/%22%3E%3Cscript%3Ealert(1)").omits("<script>alert");
        let mut page = app.browser();
        page.open("/%3Cscript%3Ealert(1)%3C/script%3E").omits("<script>alert");
    });
}

#[test]
fn an_error_is_a_page_for_browsers_and_a_problem_for_programs() {
    story(|app| {
        let page = app.browser().open("/nothing/here");
        assert_eq!(page.status(), 404);
        page.says("<h1>Page not found</h1>").says("Sign in</a>");
        let mut program = skaas_testkit::wire::Connection::open(app.node().port());
        let answer = program.get("/nothing/here");
        assert_eq!((answer.status, answer.header("content-type")), (404, Some("application/problem+json")));
        let mut browser = app.browser();
        let csrf = browser.open("/").hidden_fields("/theme").remove(0).1;
        let page = browser.post("/account/nothing", &[("csrf", &csrf)], &[]);
        assert_eq!(page.status(), 404);
    });
}

#[test]
fn no_password_address_cookie_or_link_is_ever_logged() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let link = app.link_mailed_to("ann@example.test");
        let cookie = ann.cookie("__Host-skaas").unwrap().to_owned();
        super::signs_in(&mut app.browser(), "ann", "canary wrong password");
        let page = ann.open("/account");
        ann.submit(&page, "/signout", &[]);
        let (_, code) = link.split_once("code=").unwrap();
        let lines: Vec<String> = app.log().lines().iter().map(ToString::to_string).collect();
        assert!(lines.iter().any(|line| line.contains("signed_up")), "the log is heard");
        for secret in [PASSWORD, "canary wrong password", "ann@example.test", &cookie, code] {
            let told: Vec<&String> = lines.iter().filter(|line| line.contains(secret)).collect();
            assert!(told.is_empty(), "{told:#?}");
        }
    });
}

#[test]
fn whoever_is_led_to_sign_in_by_a_form_comes_back_to_a_page() {
    story(|app| {
        app.creator("maker").publishes("lint-pro").free();
        let mut ann = joins(app, "ann");
        let mut stranger = app.browser();
        let csrf = stranger.open("/").hidden_fields("/theme").remove(0).1;
        for path in [
            "/account/applications/disconnect",
            "/account/delete",
            "/account/email",
            "/account/identities/unlink",
            "/account/password",
            "/account/sessions/others",
            "/account/sessions/revoke",
            "/account/tokens",
            "/account/tokens/revoke",
            "/auth/github/link",
            "/device",
            "/skills/lint-pro/get",
        ] {
            let led = stranger.post(path, &[("csrf", &csrf)], &[]);
            let to = led.answer.header("location").unwrap_or_else(|| panic!("{path}: {}", led.html()));
            let back = to.strip_prefix("/signin?return_to=").unwrap().replace("%2F", "/");
            assert_eq!(ann.visit(&back).status(), 200, "{path} leads back to {back}");
        }
        // So it is with the theme, from a page that stands where its form was sent.
        let page = ann.open("/account/password");
        let page = ann.submit(&page, "/account/password", &[("current", "wrong"), ("password", "x")]);
        assert_eq!(page.status(), 422);
        assert_eq!(ann.submit(&page, "/theme", &[("theme", "dark")]).status(), 200);
    });
}
