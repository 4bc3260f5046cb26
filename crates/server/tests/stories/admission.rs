//! Who may come in, and that a change of it holds from the very next request, on every node.

use skaas_domain::entitlement::GrantKind;
use skaas_testkit::app::{Given, TestDatabase, story, story_on};

const REFS: &str = "/me/marketplace.git/info/refs?service=git-upload-pack";

#[test]
fn a_revoked_token_is_refused_at_the_next_request_of_every_node() {
    story(|app| {
        let (first, second) = (app.node(), app.another_node());
        let bob = app.buyer("bob");
        let mut open = [bob.at(&first).connects(), bob.at(&second).connects()];
        for _ in 0..2 {
            for connection in &mut open {
                assert_eq!(connection.get(REFS).status, 200);
            }
        }
        bob.loses_all_tokens();
        for connection in &mut open {
            assert_eq!(connection.get(REFS).status, 401);
        }
        bob.takes_new_token(None);
        assert_eq!(bob.at(&second).connects().get(REFS).status, 200);
    });
}

#[test]
fn a_refund_is_seen_at_the_next_request_of_every_node() {
    story(|app| {
        let nodes = [app.node(), app.another_node()];
        app.creator("ann").publishes("lint-pro").priced(900);
        let bob = app.buyer("bob");
        for _ in 0..3 {
            bob.buys("lint-pro");
            let copies = nodes.each_ref().map(|node| bob.at(node).clones("lint-pro"));
            for copy in &copies {
                copy.sees_full("1.0.0");
            }
            bob.is_refunded("lint-pro");
            for (copy, node) in copies.iter().zip(&nodes) {
                bob.at(node).clones("lint-pro").sees_stub().holds_nothing_paid();
                copy.pulls().sees_stub();
            }
        }
    });
}

#[test]
fn anothers_space_answers_like_nobodys_on_every_route() {
    story(|app| {
        app.creator("ann").publishes("lint-pro").priced(900);
        app.buyer("bob").buys("lint-pro");
        let eve = app.buyer("eve");
        let mut open = eve.connects();
        for rest in ["marketplace.git", "skills/lint-pro.git", "skills/no-such.git"] {
            for route in ["info/refs?service=git-upload-pack", "info/refs", "HEAD", "objects/info/packs"] {
                let theirs = open.get(&format!("/u/bob/{rest}/{route}")).comparable();
                let nobodys = open.get(&format!("/u/nobody/{rest}/{route}")).comparable();
                assert_eq!(theirs, nobodys, "{rest}/{route}");
                assert_ne!(theirs.0, 200);
            }
        }
        for route in ["info/refs?service=git-receive-pack", "info/refs?service=git-upload-pack"] {
            let theirs = open.get(&format!("/s/ann/lint-pro.git/{route}")).comparable();
            let nobodys = open.get(&format!("/s/nobody/lint-pro.git/{route}")).comparable();
            assert_eq!(theirs, nobodys, "{route}");
            assert_ne!(theirs.0, 200);
        }
    });
}

#[test]
fn everything_works_on_object_storage_that_speaks_s3() {
    let Some(database) = TestDatabase::sqlite().with_s3() else { return };
    story_on(database, |app| {
        let ann = app.creator("ann");
        ann.publishes("lint-pro").priced(900);
        let bob = app.buyer("bob");
        let copy = bob.clones("lint-pro");
        copy.sees_stub();
        bob.gets("lint-pro", Given::of(GrantKind::Gift).until(app.in_days(3)));
        copy.pulls().sees_full("1.0.0");
        let other = app.another_node();
        ann.source("lint-pro").at(&other).holds("lint-pro", "1.1.0");
        ann.source("lint-pro").at(&other).pushes().is_taken();
        copy.pulls().sees_full("1.1.0");
        app.pass_days(3);
        copy.pulls().sees_stub();
        bob.at(&other).clones("lint-pro").sees_stub().holds_nothing_paid();
    });
}
