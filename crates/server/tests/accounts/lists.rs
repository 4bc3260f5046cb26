//! Lists that can grow: search, views and pages work without JavaScript, and htmx asks for nothing but the same pages.

use jiff::SignedDuration;
use skaas_testkit::app::story;
use skaas_testkit::wire::Connection;

use super::joins;

#[test]
fn a_long_list_is_searched_filtered_and_paged_without_javascript() {
    story(|app| {
        let mut ann = joins(app, "ann");
        let page = ann.open("/account/tokens");
        page.says("No API tokens yet.").omits("role=\"search\"");
        for number in 1..=22 {
            let name = format!("runner {number:02}");
            let fields = [("name", name.as_str()), ("access", "full"), ("days", "30")];
            ann.submit(&page, "/account/tokens", &fields).says("sk_live_");
            app.pass(SignedDuration::from_secs(1));
        }
        let first = ann.open("/account/tokens");
        first
            .says("role=\"search\"")
            .says("22 tokens")
            .says("Page 1 of 2")
            .says("runner 22")
            .omits("runner 01");
        first.says("href=\"/account/tokens?page=2\"");
        ann.open("/account/tokens?page=2").says("Page 2 of 2").says("runner 01").omits("runner 22");
        let found = ann.open("/account/tokens?q=RUNNER+07");
        found.says("1 of 22 tokens").says("runner 07").omits("runner 08").says("value=\"RUNNER 07\"");
        ann.open("/account/tokens?q=%3Cscript%3Ealert").says("Nothing found.").omits("<script>alert");
        let asked = ann.open(&found.link_to("/account/tokens/revoke"));
        ann.submit(&asked, "/account/tokens/revoke", &[]).says("Token revoked");
        found.says("href=\"/account/tokens?q=RUNNER+07&#38;view=inactive\"");
        let inactive = ann.open("/account/tokens?q=RUNNER+07&view=inactive");
        inactive.says("1 of 22 tokens").says("revoked").says("aria-current=\"page\">Inactive</a>");
        ann.open("/account/tokens?view=active").says("21 of 22 tokens").omits("runner 07");
        ann.open("/account/tokens?view=nonsense&page=-1").says("22 tokens").says("Page 1 of 2");
    });
}

#[test]
fn a_search_that_needs_a_new_sign_in_leads_to_the_sign_in_page_as_a_whole() {
    story(|app| {
        let mut line = Connection::open(app.node().port());
        let path = "/account/tokens?q=ci";
        let by_htmx = line.send("GET", path, &[("hx-request", "true")], b"");
        assert_eq!((by_htmx.status, by_htmx.header("location")), (204, None));
        assert_eq!(by_htmx.header("hx-redirect"), Some("/signin?return_to=%2Faccount%2Ftokens%3Fq%3Dci"));
        let by_browser = line.get(path);
        assert_eq!((by_browser.status, by_browser.header("hx-redirect")), (303, None));
    });
}

#[test]
fn htmx_evaluates_nothing_keeps_nothing_and_asks_only_us() {
    story(|app| {
        let page = joins(app, "ann").open("/account/tokens");
        let config = page.html().split("name=\"htmx-config\" content='").nth(1).unwrap().to_owned();
        let config: serde_json::Value = serde_json::from_str(config.split('\'').next().unwrap()).unwrap();
        for off in ["allowEval", "allowScriptTags", "includeIndicatorStyles"] {
            assert_eq!(config[off], false, "{off}");
        }
        assert_eq!((&config["historyCacheSize"], &config["selfRequestsOnly"]), (&0.into(), &true.into()));
        let policy = page.answer.header("content-security-policy").unwrap();
        assert!(policy.contains("connect-src 'self'") && policy.contains("script-src 'self'"), "{policy}");
    });
}
