//! Mail servers that stall, refuse, or take mail without saying so.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use skaas_app::jobs::{self, JobState, Terms, Worker};
use skaas_testkit::app::{Browser, Node, TestApp, story};
use skaas_testkit::mail_server::{MailServer, Manner, Received};

const PASSWORD: &str = "copper lantern quietly drifts";

fn signs_up(app: &TestApp, node: &Node, name: &str) -> Browser {
    let mut browser = app.browser_at(node);
    let page = browser.open("/signup");
    let email = format!("{name}@example.test");
    let fields = [("username", name), ("email", email.as_str()), ("password", PASSWORD)];
    browser.submit(&page, "/signup", &fields).says("Welcome.");
    browser
}

/// The path of the link in a mail.
fn link(mail: &Received) -> String {
    let at = mail.text.find("https://skaas.test/").unwrap() + "https://skaas.test".len();
    let at = at + mail.text[at..].find("/verify?code=").unwrap();
    mail.text[at..].split_whitespace().next().unwrap().to_owned()
}

fn work(app: &TestApp, node: &Node) {
    app.run(Worker::new(node.app(), Terms::default()).drain()).unwrap();
}

/// Lets time pass until every mail is gone.
fn work_for(app: &TestApp, node: &Node, span: SignedDuration) {
    for _ in 0..span.as_mins() {
        app.pass(SignedDuration::from_mins(1));
        work(app, node);
    }
}

#[test]
fn a_mail_waits_for_a_server_that_stalls_or_refuses_for_now_and_arrives_once() {
    for manner in [Manner::Stalls, Manner::Refuses(451)] {
        story(|app| {
            let server = MailServer::start();
            let node = app.node_with_mail_server(&server);
            server.treats(manner);
            let mut ann = signs_up(app, &node, "ann");
            work_for(app, &node, SignedDuration::from_mins(5));
            assert_eq!(server.received(), []);
            let waiting = app.run(jobs::list(app.operator(), app.actor(), None, None, 9)).unwrap().remove(0);
            assert_eq!((waiting.kind.as_str(), waiting.state), ("mail", JobState::Waiting));
            let why = waiting.error.unwrap();
            assert!(why.contains("mail server") && !why.contains("ann@"), "{why}");
            server.treats(Manner::Takes);
            work_for(app, &node, SignedDuration::from_mins(30));
            let received = server.received();
            // A machine that is slow may give one up that was taken: then it is the same mail twice.
            let ids: BTreeSet<&str> = received.iter().map(|mail| mail.id.as_str()).collect();
            assert_eq!(ids.len(), 1);
            let page = ann.open(&link(&received[0]));
            ann.submit(&page, "/verify", &[]).says("Your email address is confirmed.");
        });
    }
}

#[test]
fn a_mail_that_was_taken_without_a_word_is_sent_again_as_the_same_mail_and_each_copys_link_works() {
    for copy in [0, 1] {
        story(|app| {
            let server = MailServer::start();
            let node = app.node_with_mail_server(&server);
            server.treats(Manner::TakesAndHangsUp);
            let mut ann = signs_up(app, &node, "ann");
            work(app, &node);
            server.treats(Manner::Takes);
            work_for(app, &node, SignedDuration::from_mins(5));
            let received = server.received();
            assert_eq!(received.len(), 2);
            assert!(received[0].id == received[1].id && !received[0].id.is_empty(), "{received:?}");
            let (one, other) = (link(&received[copy]), link(&received[1 - copy]));
            assert_ne!(one, other, "nobody kept the first link");
            let page = ann.open(&one);
            ann.submit(&page, "/verify", &[]).says("Your email address is confirmed.");
            assert_eq!(ann.visit(&other).status(), 404, "the address is confirmed once");
        });
    }
}

#[test]
fn a_mail_refused_for_good_is_a_dead_letter_and_is_sent_once_it_is_retried() {
    story(|app| {
        let server = MailServer::start();
        let node = app.node_with_mail_server(&server);
        server.treats(Manner::Refuses(550));
        signs_up(app, &node, "ann");
        work(app, &node);
        let dead = app
            .run(jobs::list(app.operator(), app.actor(), Some(JobState::Dead), None, 9))
            .unwrap()
            .remove(0);
        assert_eq!(dead.attempts, 1, "RFC 5321: what is refused for good is not tried again");
        let why = dead.error.unwrap();
        assert!(why.contains("550") && !why.contains("ann@"), "{why}");
        server.treats(Manner::Takes);
        app.run(jobs::retry(app.operator(), app.actor(), dead.id)).unwrap();
        work(app, &node);
        assert_eq!(server.received().len(), 1);
    });
}

#[test]
fn a_waiting_mail_holds_nothing_that_opens_an_account() {
    story(|app| {
        let server = MailServer::start();
        let node = app.node_with_mail_server(&server);
        server.treats(Manner::Refuses(451));
        let mut ann = signs_up(app, &node, "ann");
        work(app, &node);
        let stolen = app.run(async {
            let mut conn = app.store().read().await.unwrap();
            skaas_testkit::app::text_of(&mut conn, "SELECT payload AS value FROM jobs").await.unwrap()
        });
        assert_eq!(stolen.len(), 1);
        assert!(!stolen[0].contains("code=") && !stolen[0].contains("ann@example.test"), "{stolen:?}");
        // A password changed in between ends links that were not even mailed.
        let page = ann.open("/account/password");
        let fields = [("current", PASSWORD), ("password", "seven mossy anchors humming")];
        ann.submit(&page, "/account/password", &fields).says("signed out of every other browser");
        server.treats(Manner::Takes);
        work_for(app, &node, SignedDuration::from_mins(30));
        assert!(!server.received().iter().any(|mail| mail.text.contains("code=")));
    });
}
