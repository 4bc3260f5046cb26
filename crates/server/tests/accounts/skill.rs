//! A skill's page: it offers what works, and only that.

use skaas_domain::money::Interval;
use skaas_testkit::app::story;

use super::{PASSWORD, joins, signs_in};

const SKILL: &str = "lint-pro";
const PAGE: &str = "/skills/lint-pro";

#[test]
fn a_visitor_of_a_free_skill_signs_in_comes_back_and_keeps_it() {
    story(|app| {
        let offer = app.creator("maker").publishes(SKILL).free();
        joins(app, "ann");
        let mut browser = app.browser();
        let page = browser.open(PAGE);
        page.says(">Free<")
            .says("href=\"/signin?return_to=%2Fskills%2Flint-pro\">Sign in to get this skill")
            .omits("action=\"/skills/lint-pro/get\"");
        let page = browser.open("/signin?return_to=%2Fskills%2Flint-pro");
        let page = browser.submit(&page, "/signin", &[("login", "ann"), ("password", PASSWORD)]);
        assert_eq!(page.path, PAGE);
        let page = browser.submit(&page, "/skills/lint-pro/get", &[]);
        page.says("Added.").says("You have this skill.").omits("Get this skill");
        offer.priced(1900);
        browser.open(PAGE).says("$19").says("You have this skill.");
        app.offer(SKILL).withdrawn();
        browser.open(PAGE).says("You have this skill.");
        assert_eq!(app.browser().open(PAGE).status(), 404);
    });
}

#[test]
fn no_page_has_a_button_for_what_cannot_be_had() {
    story(|app| {
        app.creator("maker").publishes("unpriced");
        app.offer("unpriced").published();
        app.creator("maker").publishes(SKILL).priced(1250);
        joins(app, "ann");
        let mut ann = app.browser();
        signs_in(&mut ann, "ann", PASSWORD);
        for (skill, price, why) in [
            ("unpriced", "Not for sale", "for sale. Its creator can give you access."),
            (SKILL, "$12.50", "take payments yet. Its operator can give you access."),
        ] {
            for place in ["skills", "buy"] {
                for browser in [&mut ann, &mut app.browser()] {
                    let page = browser.open(&format!("/{place}/{skill}"));
                    page.says(price).says(why).omits("class=\"button primary").omits("class=\"primary");
                    page.omits("Get this skill");
                }
            }
        }
        // Nor does a form get it that was made up.
        let csrf = ann.open("/").hidden_fields("/theme").remove(0).1;
        let refused = ann.post("/skills/lint-pro/get", &[("csrf", &csrf)], &[]);
        assert_eq!(refused.status(), 409);
        refused.says("is not free").says("href=\"/skills/lint-pro\">Back to the form</a>");
    });
}

#[test]
fn a_skill_with_several_prices_shows_each_of_them_on_its_page_and_one_price_is_shown_as_before() {
    story(|app| {
        app.creator("maker").publishes(SKILL).priced(1250);
        app.browser()
            .open(PAGE)
            .says("<p class=\"price\"><span class=\"money\">$12.50</span></p>")
            .omits("class=\"prices\"");
        app.offer(SKILL).also_priced(1100, "EUR", Interval::Once).also_priced(900, "USD", Interval::Month);
        let page = app.browser().open(PAGE);
        page.says("<li><span class=\"money\">€11</span></li>")
            .says("<li><span class=\"money\">$12.50</span></li>")
            .says("<li><span class=\"money\">$9 a month</span></li>");
        page.omits("<p class=\"price\">");
        app.offer(SKILL).free();
        app.browser().open(PAGE).says("<p class=\"price\"><span class=\"money\">Free</span></p>");
    });
}
