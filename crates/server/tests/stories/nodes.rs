//! What several nodes agree on, and what a restart keeps.

use skaas_app::{Presented, authenticate, fetch};
use skaas_domain::repo::Repo;
use skaas_testkit::app::{TestApp, run_sql, story};

const SKILL: &str = "lint-pro";

#[test]
fn a_copy_follows_whichever_node_it_asks() {
    story(|app| {
        let nodes = [app.node(), app.another_node()];
        let ann = app.creator("ann");
        ann.publishes(SKILL).priced(900);
        let bob = app.buyer("bob");
        let mut skill = bob.clones(SKILL);
        let mut market = bob.clones("marketplace");
        for (round, node) in nodes.iter().cycle().take(6).enumerate() {
            (skill, market) = (skill.following(node), market.following(node));
            bob.buys(SKILL);
            let version = format!("1.{}.0", round + 1);
            ann.at(&nodes[round % 2]).releases(SKILL, &version);
            skill.pulls().sees_full(&version);
            market.pulls().lists_owned(SKILL, &version);
            app.pass_days(1);
            bob.is_refunded(SKILL);
            skill.pulls().sees_stub();
            market.pulls().lists_locked(SKILL);
        }
    });
}

#[test]
fn equal_states_are_equal_bytes_on_every_node() {
    story(|app| {
        let nodes = [app.node(), app.another_node()];
        app.creator("ann").publishes(SKILL).priced(900);
        let bob = app.buyer("bob");
        for repo in [SKILL, "marketplace"] {
            for _ in 0..2 {
                let heads = nodes.each_ref().map(|node| bob.at(node).clones(repo).head());
                assert_eq!(heads[0], heads[1], "{repo}");
                if repo == SKILL {
                    bob.buys(SKILL);
                }
            }
        }
    });
}

#[test]
fn two_pushes_racing_on_one_source_from_two_nodes_end_as_one_history() {
    story(|app| {
        let nodes = [app.node(), app.another_node()];
        let ann = app.creator("ann");
        ann.publishes(SKILL).free();
        let desk = ann.source(SKILL);
        // No version declared: each push counts on.
        desk.writes("SKILL.md", format!("---\nname: {SKILL}\ndescription: Checks.\n---\n\nText.\n"));
        desk.pushes().is_taken();
        for round in 1..4 {
            let folder = ann.folder().join("sources").join(format!("train-{round}"));
            ann.git().ok(ann.folder(), &["clone", "-q", &desk.url(), &folder.to_string_lossy()]);
            desk.writes("desk.txt", format!("{round}")).commits("At the desk");
            let train = ann.source(&format!("train-{round}"));
            train.writes("train.txt", format!("{round}")).commits("On the train");
            let push = |folder: &std::path::Path, node: usize| {
                let url = ann.at(&nodes[node]).source_url(SKILL);
                ann.git().run(folder, &["push", "-q", &url, "main"])
            };
            let pushed = std::thread::scope(|scope| {
                let first = scope.spawn(|| push(desk.folder(), 0));
                let second = scope.spawn(|| push(train.folder(), 1));
                [first.join().unwrap(), second.join().unwrap()]
            });
            let taken: Vec<bool> = pushed.iter().map(skaas_testkit::git::Ran::succeeded).collect();
            assert_eq!(taken.iter().filter(|won| **won).count(), 1, "{pushed:#?}");
            let (loser, kept) = if taken[0] { (&train, &nodes[0]) } else { (&desk, &nodes[1]) };
            let url = ann.at(kept).source_url(SKILL);
            loser.git(&["pull", "-q", "--rebase", &url, "main"]);
            loser.git(&["push", "-q", &url, "main"]);
            desk.git(&["pull", "-q", "--ff-only", &url, "main"]);
            desk.git(&["fsck", "--strict"]);
        }
        assert_eq!(desk.git(&["rev-list", "--count", "HEAD"]), "8");
        let files = app.buyer("bob").clones(SKILL).files();
        assert_eq!(files[&format!("skills/{SKILL}/desk.txt")], "3");
        assert_eq!(files[&format!("skills/{SKILL}/train.txt")], "3");
    });
}

#[test]
fn a_restart_keeps_every_copy_where_it_was() {
    story(|app| {
        let ann = app.creator("ann");
        ann.publishes(SKILL).priced(900);
        let bob = app.buyer("bob");
        bob.buys(SKILL);
        let (skill, market) = (bob.clones(SKILL), bob.clones("marketplace"));
        let heads = (skill.head(), market.head());
        let node = app.restart();
        let (skill, market) = (skill.following(&node), market.following(&node));
        skill.pulls();
        market.pulls();
        assert_eq!((skill.head(), market.head()), heads);
        assert_eq!((bob.at(&node).clones(SKILL).head(), bob.at(&node).clones("marketplace").head()), heads);
        ann.at(&node).releases(SKILL, "1.1.0");
        skill.pulls().sees_full("1.1.0");
        market.pulls().lists_owned(SKILL, "1.1.0");
    });
}

#[test]
fn a_new_public_address_is_in_every_text_from_the_start_and_old_copies_follow() {
    story(|app| {
        let ann = app.creator("ann");
        ann.publishes(SKILL).priced(900);
        ann.publishes("other").priced(500);
        let bob = app.buyer("bob");
        bob.buys("other");
        let (stub, market, whole) = (bob.clones(SKILL), bob.clones("marketplace"), bob.clones("other"));
        let old = stub.files()[".claude-plugin/plugin.json"].clone();
        assert!(stub.files()["commands/buy.md"].contains("https://skaas.test/buy/lint-pro"));
        let node = app.node_speaking_as("https://skills.example");
        let (stub, market, whole) = (stub.following(&node), market.following(&node), whole.following(&node));
        stub.pulls().sees_stub();
        market.pulls().lists_locked(SKILL).lists_owned("other", "1.0.0");
        whole.pulls().sees_full("1.0.0");
        assert!(stub.files()["commands/buy.md"].contains("https://skills.example/buy/lint-pro"));
        assert_ne!(stub.files()[".claude-plugin/plugin.json"], old, "one version, one content");
        for copy in [&market, &bob.at(&node).clones("marketplace")] {
            let text = &copy.files()[".claude-plugin/marketplace.json"];
            assert!(text.contains("https://skills.example/me/skills/lint-pro.git"), "{text}");
            assert!(!text.contains("skaas.test"), "{text}");
        }
        for copy in [&stub, &bob.at(&node).clones(SKILL)] {
            assert!(!copy.files().values().any(|text| text.contains("skaas.test")));
        }
    });
}

#[test]
fn a_decision_that_was_overtaken_is_not_put_on_top_of_the_newer_one() {
    story(|app| {
        let ann = app.creator("ann");
        ann.publishes(SKILL).priced(900);
        let bob = app.buyer("bob");
        let (skill, market) = (bob.clones(SKILL), bob.clones("marketplace"));
        let slow = app.operator();
        let token = bob.token();
        // Somebody's request has begun, and stands still while the world goes on.
        let begun = || {
            app.run(authenticate(slow, Some(&Presented { username: None, secret: &token }), None)).unwrap()
        };
        let goes_on = |actor| {
            for target in [Repo::Skill(SKILL), Repo::Marketplace] {
                app.run(fetch::open(slow, &actor, None, target)).map(drop).unwrap();
            }
        };

        let actor = begun();
        bob.buys(SKILL);
        skill.pulls().sees_full("1.0.0");
        market.pulls().lists_owned(SKILL, "1.0.0");
        let steps = app.steps("bob", SKILL);
        goes_on(actor);
        assert_eq!(app.steps("bob", SKILL), steps, "after a purchase");

        let actor = begun();
        ann.releases(SKILL, "1.1.0");
        skill.pulls().sees_full("1.1.0");
        market.pulls().lists_owned(SKILL, "1.1.0");
        let steps = app.steps("bob", SKILL);
        goes_on(actor);
        assert_eq!(app.steps("bob", SKILL), steps, "after a release");

        let actor = begun();
        bob.is_refunded(SKILL);
        skill.pulls().sees_stub();
        market.pulls().lists_locked(SKILL);
        let steps = app.steps("bob", SKILL);
        goes_on(actor);
        assert_eq!(app.steps("bob", SKILL), steps, "after a refund");
        let other = bob.at(&app.another_node());
        assert_eq!(other.clones("marketplace").head(), market.head());
        assert_eq!(other.clones(SKILL).head(), skill.head());
    });
}

/// Everybody's steps as if a program of another version had written them.
fn rewrite_steps(app: &TestApp, state: &str) {
    app.run(async {
        let mut tx = app.store().begin().await.unwrap();
        run_sql(&mut tx, &format!("UPDATE steps SET state = {state} WHERE repo = 'marketplace'"))
            .await
            .unwrap();
        tx.commit().await.unwrap();
    });
}

#[test]
fn a_marketplace_follows_a_program_of_another_version_and_back() {
    for state in [r#"replace(state, '"voice":"', '"voice":"x')"#, r#"'{"from":"the future"}'"#] {
        story(|app| {
            app.creator("ann").publishes(SKILL).priced(900);
            let bob = app.buyer("bob");
            let before = bob.clones("marketplace");
            bob.buys(SKILL);
            before.pulls().lists_owned(SKILL, "1.0.0");
            rewrite_steps(app, state);
            let node = app.restart();
            let (bob, before) = (bob.at(&node), before.following(&node));
            // What is shown now is the same as then.
            before.pulls().lists_owned(SKILL, "1.0.0");
            let now = bob.clones("marketplace");
            now.lists_owned(SKILL, "1.0.0");
            bob.is_refunded(SKILL);
            now.pulls().lists_locked(SKILL);
            before.pulls().lists_locked(SKILL);
        });
    }
}
