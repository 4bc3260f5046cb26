//! Who receives what, when: every kind of grant, every state of a listing, told through real git on both
//! databases.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

use skaas_app::{
    Kind, accounts,
    grants::{self, FreeSkill, NewGrant},
    listings::{self, Change},
    restoration,
    stamps::{self, FromTheFuture},
    tokens::{self, NewToken},
    users,
};
use skaas_domain::entitlement::{Access, GrantKind};
use skaas_domain::listing::ListingState;
use skaas_testkit::app::{Given, TestApp, TestDatabase, run_sql, story, story_on};
use skaas_testkit::git::Protocol;

const SKILL: &str = "lint-pro";

#[test]
fn a_buyer_pulls_the_stub_away_and_a_refund_brings_it_back() {
    story(|app| {
        app.creator("ann").publishes(SKILL).priced(900);
        let bob = app.buyer("bob");
        let (skill, market) = (bob.clones(SKILL), bob.clones("marketplace"));
        skill.sees_stub_saying("[PURCHASE REQUIRED]");
        market.lists_locked(SKILL);
        bob.buys(SKILL);
        skill.pulls().sees_full("1.0.0");
        market.pulls().lists_owned(SKILL, "1.0.0");
        bob.is_refunded(SKILL);
        skill.pulls().sees_stub();
        market.pulls().lists_locked(SKILL);
        bob.clones(SKILL).sees_stub().holds_nothing_paid();
    });
}

#[test]
fn every_kind_of_grant_gives_the_whole_skill_until_it_ends() {
    story(|app| {
        app.creator("ann").publishes(SKILL).priced(900);
        let end = app.in_days(30);
        let kinds = [
            GrantKind::Purchase,
            GrantKind::Subscription,
            GrantKind::Trial,
            GrantKind::Gift,
            GrantKind::Seat,
            GrantKind::Ownership,
            GrantKind::Free,
        ];
        let copies = kinds.map(|kind| {
            let holder = app.buyer(kind.as_str());
            let copy = holder.clones(SKILL);
            holder.gets(SKILL, Given::of(kind).until(end));
            copy.pulls().sees_full("1.0.0");
            (kind, holder, copy)
        });
        app.pass(app.now().duration_until(end) - jiff::SignedDuration::from_micros(1));
        for (_, holder, copy) in &copies {
            copy.pulls().sees_full("1.0.0");
            holder.clones("marketplace").lists_owned(SKILL, "1.0.0");
        }
        app.pass(jiff::SignedDuration::from_micros(1));
        for (kind, holder, copy) in &copies {
            copy.pulls().sees_stub();
            if *kind == GrantKind::Trial {
                copy.sees_stub_saying("trial");
            }
            holder.clones("marketplace").lists_locked(SKILL);
            holder.clones(SKILL).sees_stub().holds_nothing_paid();
        }
    });
}

#[test]
fn whoever_bought_a_year_of_updates_keeps_the_last_release_of_that_year() {
    story(|app| {
        let ann = app.creator("ann");
        ann.publishes(SKILL).priced(900);
        let bob = app.buyer("bob");
        bob.gets(SKILL, Given::of(GrantKind::Purchase).updates_until(app.in_days(365)));
        let copy = bob.clones(SKILL);
        app.pass_days(300);
        ann.releases(SKILL, "1.1.0");
        copy.pulls().sees_full("1.1.0");
        app.pass_days(100);
        ann.releases(SKILL, "2.0.0");
        copy.pulls().sees_full("1.1.0");
        bob.clones(SKILL).sees_full("1.1.0");
        bob.clones("marketplace").lists_owned(SKILL, "1.1.0");
        assert_eq!(copy.remote_tags(), ["v1.0.0", "v1.1.0"].map(String::from).into());
        assert!(!copy.everything().contains("lint-pro-2.0.0"));
        // A second reason stands beside the first.
        bob.gets(SKILL, Given::of(GrantKind::Gift).until(app.in_days(10)));
        copy.pulls().sees_full("2.0.0");
        app.pass_days(11);
        copy.pulls().sees_full("1.1.0");
        assert!(!bob.clones(SKILL).everything().contains("lint-pro-2.0.0"));
    });
}

#[test]
fn a_buyer_goes_back_to_an_older_release_by_its_tag() {
    story(|app| {
        let ann = app.creator("ann");
        ann.publishes(SKILL).priced(900);
        app.pass_days(1);
        ann.releases(SKILL, "1.1.0");
        let bob = app.buyer("bob");
        assert_eq!(bob.clones(SKILL).remote_tags(), std::collections::BTreeSet::new());
        bob.buys(SKILL);
        bob.clones_with(SKILL, &["--branch", "v1.0.0"]).sees_full("1.0.0");
        bob.clones_with(SKILL, &["--depth", "1", "--branch", "v1.0.0"]).sees_full("1.0.0");
        bob.clones(SKILL).sees_full("1.1.0");
    });
}

#[test]
fn a_trial_is_given_once_ever_even_after_it_was_revoked() {
    story(|app| {
        app.creator("ann").publishes(SKILL).priced(900).with_trial(14);
        let bob = app.buyer("bob");
        bob.gets(SKILL, Given::of(GrantKind::Trial));
        let copy = bob.clones(SKILL);
        copy.sees_full("1.0.0");
        app.pass_days(14);
        copy.pulls().sees_stub_saying("trial");
        let again = app.try_give("bob", SKILL, Given::of(GrantKind::Trial));
        assert!(again.as_ref().is_err_and(|error| error.kind() == Kind::Conflict), "{again:?}");
        bob.clones(SKILL).sees_stub();
        let carol = app.buyer("carol");
        carol.gets(SKILL, Given::of(GrantKind::Trial));
        carol.is_refunded(SKILL);
        let again = app.try_give("carol", SKILL, Given::of(GrantKind::Trial));
        assert!(again.as_ref().is_err_and(|error| error.kind() == Kind::Conflict), "{again:?}");
        carol.clones(SKILL).sees_stub();
        // A trial does not stand in the way of a purchase.
        bob.buys(SKILL);
        copy.pulls().sees_full("1.0.0");
    });
}

#[test]
fn a_trial_needs_a_listing_that_offers_one() {
    story(|app| {
        app.creator("ann").publishes(SKILL).priced(900);
        app.buyer("bob");
        let given = app.try_give("bob", SKILL, Given::of(GrantKind::Trial));
        assert!(given.as_ref().is_err_and(|error| error.kind() == Kind::Conflict), "{given:?}");
    });
}

#[test]
fn a_listing_shows_each_state_to_its_owner_to_a_holder_and_to_a_stranger() {
    story(|app| {
        let ann = app.creator("ann");
        let source = ann.source(SKILL);
        source.holds(SKILL, "1.0.0");
        source.pushes().is_taken();
        let (holder, stranger) = (app.buyer("holly"), app.buyer("strange"));
        holder.buys(SKILL);

        // A draft: its creator and whoever was given it.
        ann.clones(SKILL).sees_full("1.0.0");
        ann.clones("marketplace").lists_owned(SKILL, "1.0.0");
        let held = holder.clones(SKILL);
        held.sees_full("1.0.0");
        stranger.cannot_clone(SKILL);
        stranger.clones("marketplace").omits(SKILL);

        let offer = app.offer(SKILL).priced(900).published();
        let stubbed = stranger.clones(SKILL);
        stubbed.sees_stub();
        stranger.clones("marketplace").lists_locked(SKILL);
        let markets = [&ann, &holder, &stranger].map(|person| person.clones("marketplace"));

        offer.withdrawn();
        ann.clones(SKILL).sees_full("1.0.0");
        held.pulls().sees_full("1.0.0");
        holder.clones("marketplace").lists_owned(SKILL, "1.0.0");
        stranger.cannot_clone(SKILL);
        stranger.clones("marketplace").omits(SKILL);

        offer.quarantined();
        ann.clones(SKILL).sees_full("1.0.0");
        held.pulls().sees_stub();
        holder.clones(SKILL).sees_stub().holds_nothing_paid();
        holder.clones("marketplace").lists_locked_saying(SKILL, "[HELD BACK FOR REVIEW]");
        stranger.cannot_clone(SKILL);

        offer.released().published();
        held.pulls().sees_full("1.0.0");
        ann.clones(SKILL).sees_full("1.0.0");
        stubbed.pulls().sees_stub();
        markets[0].pulls().lists_owned(SKILL, "1.0.0");
        markets[1].pulls().lists_owned(SKILL, "1.0.0");
        markets[2].pulls().lists_locked(SKILL);
    });
}

#[test]
fn a_withdrawn_skill_becomes_a_stub_when_the_access_to_it_ends() {
    story(|app| {
        app.creator("ann").publishes(SKILL).priced(900);
        let bob = app.buyer("bob");
        bob.gets(SKILL, Given::of(GrantKind::Subscription).until(app.in_days(30)));
        let (copy, market) = (bob.clones(SKILL), bob.clones("marketplace"));
        app.offer(SKILL).withdrawn();
        copy.pulls().sees_full("1.0.0");
        app.pass_days(30);
        copy.pulls().sees_stub();
        market.pulls().lists_locked_saying(SKILL, "[NO LONGER OFFERED]");
    });
}

#[test]
fn a_free_skill_that_was_fetched_is_kept_when_it_gets_a_price_or_is_withdrawn() {
    story(|app| {
        let ann = app.creator("ann");
        let offer = ann.publishes(SKILL).free();
        let (bob, market_only) = (app.buyer("bob"), app.buyer("mia"));
        let (copy, market) = (bob.clones(SKILL), bob.clones("marketplace"));
        copy.sees_full("1.0.0");
        market.lists_owned(SKILL, "1.0.0");
        // Neither a marketplace that lists it nor a look at its refs is a fetch of the skill.
        market_only.clones("marketplace").lists_owned(SKILL, "1.0.0");
        market_only.git().run(market_only.folder(), &["ls-remote", &market_only.url(SKILL)]).expect_success();
        ann.releases(SKILL, "1.0.1");
        copy.pulls().sees_full("1.0.1");
        market.pulls().lists_owned(SKILL, "1.0.1");

        offer.priced(500);
        ann.releases(SKILL, "1.1.0");
        copy.pulls().sees_full("1.1.0");
        market.pulls().lists_owned(SKILL, "1.1.0");
        bob.clones(SKILL).sees_full("1.1.0");
        for stranger in [&market_only, &app.buyer("strange")] {
            stranger.clones(SKILL).sees_stub().holds_nothing_paid();
            stranger.clones("marketplace").lists_locked(SKILL);
        }

        offer.withdrawn();
        ann.releases(SKILL, "1.2.0");
        copy.pulls().sees_full("1.2.0");
        market.pulls().lists_owned(SKILL, "1.2.0");
        market_only.cannot_clone(SKILL);
    });
}

#[test]
fn a_free_skill_that_was_added_is_kept_and_is_added_once() {
    story(|app| {
        let offer = app.creator("ann").publishes(SKILL).free();
        let bob = app.buyer("bob");
        assert_eq!(bob.tries_to_add(SKILL).unwrap(), FreeSkill::Added);
        assert_eq!(bob.tries_to_add(SKILL).unwrap(), FreeSkill::AlreadyTheirs);
        assert_eq!(app.creator("ann").tries_to_add(SKILL).unwrap(), FreeSkill::AlreadyTheirs);
        bob.clones(SKILL).sees_full("1.0.0");
        offer.withdrawn();
        bob.clones(SKILL).sees_full("1.0.0");
        bob.clones("marketplace").lists_owned(SKILL, "1.0.0");
        assert_eq!(bob.tries_to_add(SKILL).unwrap(), FreeSkill::AlreadyTheirs);
        let strange = app.buyer("strange");
        assert!(
            strange.tries_to_add(SKILL).is_err_and(|error| error.kind() == Kind::NotFound),
            "withdrawn is unknown"
        );
        assert!(strange.tries_to_add("no-such-skill").is_err_and(|error| error.kind() == Kind::NotFound));
        offer.published().priced(500);
        assert!(
            strange.tries_to_add(SKILL).is_err_and(|error| error.kind() == Kind::Conflict),
            "it has a price"
        );
    });
}

#[test]
fn fetching_a_free_skill_again_writes_nothing() {
    story(|app| {
        app.creator("ann").publishes(SKILL).free();
        let bob = app.buyer("bob");
        bob.clones(SKILL).sees_full("1.0.0");
        let grants = || app.run(grants::list(app.operator(), app.actor(), "bob", Some(SKILL))).unwrap();
        let first = grants();
        assert_eq!(first.iter().map(|named| named.record.grant.kind).collect::<Vec<_>>(), [GrantKind::Free]);
        let before = app.revision_of("bob");
        app.pass_days(1);
        for _ in 0..3 {
            bob.clones(SKILL).sees_full("1.0.0");
        }
        assert_eq!(app.revision_of("bob"), before);
        // What the operator revokes does not come back with the next fetch.
        bob.is_refunded(SKILL);
        bob.clones(SKILL).sees_full("1.0.0");
        assert_eq!(grants().len(), 1);
        app.offer(SKILL).priced(500);
        bob.clones(SKILL).sees_stub().holds_nothing_paid();
    });
}

#[test]
fn an_expired_token_is_refused_from_its_last_moment_on() {
    story(|app| {
        app.creator("ann").publishes(SKILL).free();
        let bob = app.buyer("bob");
        bob.takes_new_token(Some(app.in_days(7)));
        let copy = bob.clones(SKILL);
        app.pass(jiff::SignedDuration::from_hours(24 * 7) - jiff::SignedDuration::from_micros(1));
        copy.pulls();
        assert_eq!(bob.connects().get("/me/marketplace.git/info/refs?service=git-upload-pack").status, 200);
        app.pass(jiff::SignedDuration::from_micros(1));
        assert_eq!(bob.connects().get("/me/marketplace.git/info/refs?service=git-upload-pack").status, 401);
        assert!(!copy.try_pull().succeeded());
        bob.takes_new_token(None);
        copy.pulls().sees_full("1.0.0");
    });
}

#[test]
fn a_copy_that_slept_through_states_that_came_back_follows_in_one_pull() {
    story(|app| {
        app.creator("ann").publishes(SKILL).priced(900);
        app.creator("abe").publishes("deep-review").priced(700);
        let bob = app.buyer("bob");
        let awake = bob.clones("marketplace");
        for ends_owned in [true, false] {
            // One sleeps before, one in the midst: what comes back is then what it has.
            let mut asleep = vec![bob.clones("marketplace"), bob.clones_with("marketplace", &["--depth=1"])];
            for _ in 0..2 {
                bob.buys(SKILL);
                awake.pulls().lists_owned(SKILL, "1.0.0");
                asleep.push(bob.clones("marketplace"));
                bob.is_refunded(SKILL);
                awake.pulls().lists_locked(SKILL);
            }
            if ends_owned {
                bob.buys(SKILL);
            }
            for protocol in [Protocol::V2, Protocol::V0] {
                let fresh = bob.speaking(protocol).clones_with("marketplace", &["--depth=1"]);
                for copy in asleep.iter().chain([&fresh]) {
                    copy.pulls();
                    assert_eq!(copy.files(), awake.pulls().files());
                }
            }
            if ends_owned {
                bob.is_refunded(SKILL);
            }
        }
    });
}

#[test]
fn a_clock_that_was_400_days_ahead_locks_nobody_out() {
    story(|app| {
        let ann = app.creator("ann");
        ann.publishes(SKILL).priced(900).with_trial(14);
        let [member, lapsed, late, refunded] = ["mia", "leo", "lara", "ron"].map(|name| app.buyer(name));
        member.gets(SKILL, Given::of(GrantKind::Subscription).until(app.in_days(365)));
        lapsed.gets(SKILL, Given::of(GrantKind::Subscription).until(app.in_days(1)));
        refunded.buys(SKILL);
        let everybody = [&member, &lapsed, &late, &refunded];
        let copies = everybody.map(|who| (who.clones(SKILL), who.clones("marketplace")));
        let all_see = |owned: [bool; 4]| {
            for ((skill, market), owned) in copies.iter().zip(owned) {
                skill.pulls();
                market.pulls();
                if owned {
                    skill.sees_full("1.0.0");
                    market.lists_owned(SKILL, "1.0.0");
                } else {
                    skill.sees_stub();
                    market.lists_locked(SKILL);
                }
            }
            let fresh = everybody.map(|who| (who.clones(SKILL), who.clones("marketplace")));
            for ((old_skill, old_market), (skill, market)) in copies.iter().zip(&fresh) {
                assert_eq!((old_skill.head(), old_market.head()), (skill.head(), market.head()));
            }
        };
        all_see([true, true, false, true]);

        app.pass_days(400);
        late.buys(SKILL);
        refunded.is_refunded(SKILL);
        all_see([false, false, true, false]);
        app.tidies();

        app.pass_days(-400);
        all_see([true, true, true, false]);
        let ahead = app.run(stamps::from_the_future(app.operator())).unwrap();
        // Two repositories of four people, each with one step; a purchase and a refund.
        assert_eq!(ahead, FromTheFuture { steps: 8, grants: 2 });
        assert_eq!(app.run(stamps::restamp(app.operator(), app.actor())).unwrap(), ahead);
        assert!(app.run(stamps::from_the_future(app.operator())).unwrap().is_empty());
        all_see([true, true, true, false]);

        app.pass_days(2);
        all_see([true, false, true, false]);
    });
}

#[test]
fn a_trial_that_a_clock_ahead_began_is_as_long_as_any_once_it_is_restamped() {
    story(|app| {
        app.creator("ann").publishes(SKILL).priced(900).with_trial(14);
        let bob = app.buyer("bob");
        app.pass_days(400);
        bob.gets(SKILL, Given::of(GrantKind::Trial));
        app.pass_days(-400);
        let copy = bob.clones(SKILL);
        copy.sees_full("1.0.0");
        app.run(stamps::restamp(app.operator(), app.actor())).unwrap();
        app.pass_days(13);
        copy.pulls().sees_full("1.0.0");
        app.pass_days(1);
        copy.pulls().sees_stub_saying("trial");
    });
}

#[test]
fn a_copy_ahead_of_a_restored_backup_is_told_to_clone_again() {
    story(|app| {
        app.creator("ann").publishes(SKILL).priced(900);
        let bob = app.buyer("bob");
        let repos = [SKILL, "marketplace"];
        let [behind, ahead] = [(); 2].map(|()| repos.map(|repo| bob.clones(repo)));
        bob.buys(SKILL);
        ahead[1].pulls().lists_owned(SKILL, "1.0.0");
        ahead[0].pulls().sees_full("1.0.0");

        // Yesterday's backup knows neither the purchase nor the steps that showed it.
        app.run(async {
            let mut tx = app.store().begin().await.unwrap();
            for change in [
                "DELETE FROM grants",
                "DELETE FROM steps WHERE seq > 0",
                "UPDATE users SET revision = revision + 1",
            ] {
                run_sql(&mut tx, change).await.unwrap();
            }
            tx.commit().await.unwrap();
        });
        let node = app.restart();
        let [behind, ahead] = [behind, ahead].map(|copies| copies.map(|copy| copy.following(&node)));
        assert!(ahead[0].try_pull().succeeded(), "it calls itself up to date");
        ahead[0].sees_full("1.0.0");

        assert_eq!(app.run(restoration::branch_off(app.operator(), app.actor())).unwrap(), 2);
        for copy in &ahead {
            let refused = copy.try_pull();
            assert!(!refused.succeeded() && refused.stderr.contains("clone it again"), "{refused}");
        }
        let bob = bob.at(&node);
        let fresh = repos.map(|repo| bob.clones(repo));
        for copies in [&behind, &fresh] {
            copies[0].pulls().sees_stub();
            copies[1].pulls().lists_locked(SKILL);
        }
        bob.buys(SKILL);
        for copies in [&behind, &fresh] {
            copies[0].pulls().sees_full("1.0.0");
            copies[1].pulls().lists_owned(SKILL, "1.0.0");
        }
    });
}

#[test]
fn what_was_revoked_after_the_backup_is_listed_and_revoked_again() {
    let in_a_bucket =
        [TestDatabase::sqlite().with_s3(), TestDatabase::postgres().and_then(TestDatabase::with_s3)];
    for database in TestDatabase::each().into_iter().chain(in_a_bucket.into_iter().flatten()) {
        story_on(database, what_was_revoked_is_listed_and_revoked_again);
    }
}

#[test]
fn composed_writes_take_effect_together_or_not_at_all() {
    story(|app| {
        app.creator("ann").publishes(SKILL).priced(900);
        let (node, actor) = (app.operator(), app.actor());
        let joins_and_buys = |commits: bool| {
            app.run(async {
                let mut tx = app.operator_store().begin().await.unwrap();
                users::add_in(node, actor, &mut tx, "bob", "bob@example.test").await.unwrap();
                let token = NewToken { name: "laptop", scopes: None, expires_at: None };
                tokens::create_in(node, actor, &mut tx, "bob".into(), token).await.unwrap();
                let grant = NewGrant {
                    username: "bob".to_owned(),
                    skill: SKILL.to_owned(),
                    kind: GrantKind::Purchase,
                    until: None,
                    updates_until: None,
                    note: String::new(),
                };
                grants::add_in(node, actor, &mut tx, grant).await.unwrap();
                if commits {
                    tx.commit().await.unwrap();
                }
            });
        };
        joins_and_buys(false);
        let nobody = app.run(users::find(node, actor, "bob"));
        assert!(nobody.as_ref().is_err_and(|error| error.kind() == Kind::NotFound), "{nobody:?}");
        joins_and_buys(true);
        assert!(matches!(app.access("bob", SKILL), Access::Full { .. }));

        let refunds_and_withdraws = |commits: bool| {
            app.run(async {
                let change = Change { state: Some(ListingState::Withdrawn), ..Change::default() };
                let withdrawal = listings::prepare(node, actor, SKILL, &change).await.unwrap();
                let mut tx = app.operator_store().begin().await.unwrap();
                let ended = grants::revoke_in(node, actor, &mut tx, "bob", None).await.unwrap();
                let revoked = tokens::revoke_in(node, actor, &mut tx, "bob".into(), None).await.unwrap();
                assert_eq!((ended.len(), revoked.len()), (1, 1));
                assert!(withdrawal.write_in(node, &mut tx).await.unwrap());
                if commits {
                    tx.commit().await.unwrap();
                }
            });
        };
        let token_works = || {
            let tokens = app.run(tokens::list(node, actor, "bob".into())).unwrap();
            tokens[0].works(app.now())
        };
        refunds_and_withdraws(false);
        assert!(matches!(app.access("bob", SKILL), Access::Full { .. }) && token_works());
        assert_eq!(app.offer(SKILL).details().listing.state, ListingState::Published);
        refunds_and_withdraws(true);
        assert!(!matches!(app.access("bob", SKILL), Access::Full { .. }) && !token_works());
        assert_eq!(app.offer(SKILL).details().listing.state, ListingState::Withdrawn);
    });
}

fn what_was_revoked_is_listed_and_revoked_again(app: &TestApp) {
    app.creator("ann").publishes(SKILL).priced(900);
    let [bob, _, _] = ["bob", "carol", "dan"].map(|name| app.buyer(name));
    let (operator, actor) = (app.operator(), app.actor());
    // Before the backup; it knows of this.
    app.run(tokens::revoke(operator, actor, "dan".into(), None)).unwrap();
    bob.buys(SKILL);
    for expires_at in [None, Some(app.in_days(2))] {
        bob.takes_new_token(expires_at);
    }
    app.pass_days(1);

    // After it.
    bob.is_refunded(SKILL);
    let one = app.run(tokens::list(operator, actor, "bob".into())).unwrap().remove(1);
    app.run(tokens::revoke(operator, actor, "bob".into(), Some(&one.id_part))).unwrap();
    app.run(accounts::sign_out_everywhere(operator, actor, "bob")).unwrap();
    app.run(users::delete(operator, actor, "carol")).unwrap();
    let clean = app.run(restoration::works_again(operator, actor)).unwrap();
    assert_eq!(clean, [], "nothing works that was revoked");

    app.pass_days(3);
    restores_a_backup_of_the_first_day(app);
    let listed = || {
        let found = app.run(restoration::works_again(operator, actor)).unwrap();
        let mut rows: Vec<(String, String)> =
            found.iter().map(|one| (one.revocation.what.kind().to_owned(), one.username.clone())).collect();
        rows.sort();
        (found, rows)
    };
    let (found, rows) = listed();
    let row = |kind: &str, name: &str| (kind.to_owned(), name.to_owned());
    let expected = [
        row("grant", "bob"),
        row("token", "bob"),
        row("token", "bob"),
        row("token", "carol"),
        row("user", "carol"),
    ];
    assert_eq!(rows, expected, "neither dan's, nor the token that has expired since");
    assert!(found.iter().any(|one| one.name == SKILL), "a grant is listed by its skill");

    app.run(restoration::revoke_again(operator, actor, &found)).unwrap();
    assert_eq!(listed().1, []);
    assert!(app.run(users::find(operator, actor, "carol")).is_err(), "the account is gone");
    let works = app.run(tokens::list(operator, actor, "bob".into())).unwrap();
    assert!(works.iter().all(|token| !token.works(app.now())), "{works:?}");
}

/// As if the database were of a day on which nothing of this was revoked. Object storage is as it is.
fn restores_a_backup_of_the_first_day(app: &TestApp) {
    app.run(async {
        let mut tx = app.store().begin().await.unwrap();
        for change in [
            "UPDATE grants SET revoked_at = NULL",
            "UPDATE api_tokens SET revoked_at = NULL
                WHERE user_id NOT IN (SELECT id FROM users WHERE username = 'dan')",
            "UPDATE users SET deleted_at = NULL, email = 'carol@example.test', email_key = 'carol@example.test'
                WHERE deleted_at IS NOT NULL",
            "UPDATE users SET revision = revision + 1",
        ] {
            run_sql(&mut tx, change).await.unwrap();
        }
        tx.commit().await.unwrap();
    });
    app.restart();
}
