//! What people do on the pages, told through the real router, on both databases.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod access;
mod activity;
mod desk;
mod doors;
mod forms;
mod identities;
mod known;
mod lists;
mod mail;
mod misbehaving_providers;
mod passkeys;
mod rest;
mod second_factor;
mod settings;
mod skill;
mod tokens;

use skaas_testkit::app::{Browser, Page, TestApp};

/// Good enough for anybody.
const PASSWORD: &str = "copper lantern quietly drifts";
const NEW_PASSWORD: &str = "seven mossy anchors humming";

/// Signs up in a browser of their own, address unconfirmed.
#[track_caller]
fn signs_up(app: &TestApp, name: &str) -> Browser {
    let mut browser = app.browser();
    let page = browser.open("/signup");
    let email = format!("{name}@example.test");
    let fields = [("username", name), ("email", email.as_str()), ("password", PASSWORD)];
    browser.submit(&page, "/signup", &fields).says("Welcome.").says(name);
    browser
}

/// Signs up and confirms the address.
#[track_caller]
fn joins(app: &TestApp, name: &str) -> Browser {
    let mut browser = signs_up(app, name);
    let link = app.link_mailed_to(&format!("{name}@example.test"));
    let page = browser.open(&link);
    browser.submit(&page, "/verify", &[]).says("Your email address is confirmed.");
    browser
}

/// Tries to sign in.
#[track_caller]
fn signs_in(browser: &mut Browser, login: &str, password: &str) -> Page {
    let page = browser.open("/signin");
    browser.submit(&page, "/signin", &[("login", login), ("password", password)])
}

/// Whether the browser is signed in.
#[track_caller]
fn is_in(browser: &mut Browser) -> bool {
    browser.visit("/account").status() == 200
}
