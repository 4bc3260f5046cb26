//! Who gets a name, and who does not.

use skaas_app::{Kind, users};
use skaas_testkit::app::story;

#[test]
fn a_name_is_its_first_creators_and_a_look_alike_is_nobodys() {
    story(|app| {
        app.creator("ann").publishes("lint-pro").free();
        let eve = app.creator("eve");
        let source = eve.source("mine");
        for (name, why) in [
            ("lint-pro", "lint-pro"),
            ("1int-pro", "1int-pro"),
            ("lintpro", "lintpro"),
            ("anthropic-tools", "reserved"),
            ("claude-plugins-official", "reserved"),
            ("inline", "reserved"),
        ] {
            source.holds(name, "6.6.6");
            source.pushes().is_taken().says(why).says("kept ");
        }
        assert!(app.offer("lint-pro").versions() == ["1.0.0"], "{:?}", app.offer("lint-pro").versions());
        for name in ["1int-pro", "lintpro", "anthropic-tools", "claude-plugins-official", "inline"] {
            assert!(!app.is_listed(name), "{name}");
        }
        app.buyer("bob").clones("lint-pro").sees_full("1.0.0");
        source.holds("honest-work", "1.0.0");
        source.pushes().is_taken().says("released honest-work 1.0.0");
    });
}

#[test]
fn two_creators_racing_for_one_name_end_with_one_owner() {
    story(|app| {
        let other = app.another_node();
        let creators = [app.creator("ann"), app.creator("eve").at(&other)];
        for round in 0..3 {
            let name = format!("prize-{round}");
            let sources = creators.each_ref().map(|creator| {
                let source = creator.source(&name);
                source.holds(&name, "1.0.0").writes("who.txt", creator.name());
                source
            });
            let pushed = std::thread::scope(|scope| {
                let races = sources.each_ref().map(|source| scope.spawn(|| source.pushes()));
                races.map(|race| race.join().unwrap())
            });
            let said = pushed.map(|pushed| pushed.is_taken().text().contains(&format!("released {name}")));
            assert_eq!(said.iter().filter(|won| **won).count(), 1, "{said:?}");
            let winner = &creators[usize::from(said[1])];
            let details = app.offer(&name).details();
            assert_eq!(details.listing.creator_name, winner.name());
            assert_eq!(details.releases.len(), 1);
            app.offer(&name).free().published();
            let files = app.buyer("bob").clones(&name).sees_full("1.0.0").files();
            assert_eq!(files[&format!("skills/{name}/who.txt")], winner.name());
        }
    });
}

#[test]
fn a_deleted_users_name_is_given_to_nobody_again() {
    story(|app| {
        app.creator("ann").publishes("lint-pro").free();
        let bob = app.buyer("bob");
        let copy = bob.clones("lint-pro");
        let mut open = bob.connects();
        let refs = "/me/marketplace.git/info/refs?service=git-upload-pack";
        assert_eq!(open.get(refs).status, 200);
        app.delete_user("bob");
        assert_eq!(open.get(refs).status, 401);
        assert!(!copy.try_pull().succeeded());
        for name in ["bob", "b0b"] {
            let added = app.run(users::add(app.operator(), app.actor(), name, "new@example.test"));
            assert!(added.as_ref().is_err_and(|error| error.kind() == Kind::Conflict), "{name}: {added:?}");
        }
        // The address was erased with them: it may come again.
        app.run(users::add(app.operator(), app.actor(), "robert", "bob@example.test")).unwrap();
    });
}

#[test]
fn a_deleted_creators_skills_stay_with_those_who_have_them_and_are_never_taken_over() {
    story(|app| {
        app.creator("ann").publishes("lint-pro").priced(900);
        let bob = app.buyer("bob");
        bob.buys("lint-pro");
        let copy = bob.clones("lint-pro");
        app.offer("lint-pro").withdrawn();
        app.delete_user("ann");
        copy.pulls().sees_full("1.0.0");
        let eve = app.creator("eve");
        let source = eve.source("lint-pro");
        source.holds("lint-pro", "9.9.9");
        source.pushes().is_taken().says("kept lint-pro");
        copy.pulls().sees_full("1.0.0");
    });
}

#[test]
fn a_deleted_listings_name_is_retired() {
    story(|app| {
        let ann = app.creator("ann");
        ann.publishes("lint-pro").free();
        let bob = app.buyer("bob");
        let market = bob.clones("marketplace");
        market.lists_owned("lint-pro", "1.0.0");
        app.delete_listing("lint-pro");
        market.pulls().omits("lint-pro");
        bob.cannot_clone("lint-pro");
        for creator in [&ann, &app.creator("eve")] {
            let source = creator.source("again");
            source.holds("lint-pro", "2.0.0");
            source.pushes().is_taken().says("kept lint-pro");
        }
        market.pulls().omits("lint-pro");
    });
}
