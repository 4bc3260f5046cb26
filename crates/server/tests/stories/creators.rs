//! What a creator pushes, and what becomes of it.

use std::{collections::BTreeSet, time::Duration};

use skaas_app::Limits;
use skaas_testkit::{
    app::{Fitting, Source, story},
    noise::noise,
};

const SKILL: &str = "lint-pro";

#[test]
fn a_version_once_released_never_changes() {
    story(|app| {
        let ann = app.creator("ann");
        ann.publishes(SKILL).priced(900);
        let bob = app.buyer("bob");
        bob.buys(SKILL);
        let copy = bob.clones(SKILL);
        let before = copy.head();

        let source = ann.source(SKILL);
        source.writes("references/notes.md", "quietly changed\n");
        source.pushes().is_taken().says("version 1.0.0 is released already").says("SKILL.md");
        copy.pulls().sees_full("1.0.0");
        assert_eq!(copy.head(), before);
        bob.clones(SKILL).sees_full("1.0.0");
        assert_eq!(app.offer(SKILL).versions(), ["1.0.0"]);
        // The pushed work is kept, and the listing says what to mend.
        assert!(app.offer(SKILL).details().listing.problems[0].contains("1.0.0"));
        assert_eq!(
            source.git(&["ls-remote", &source.url(), "main"])[..40],
            source.git(&["rev-parse", "main"])
        );

        source.holds(SKILL, "1.0.1");
        source.pushes().is_taken();
        copy.pulls().sees_full("1.0.1");
        assert!(app.offer(SKILL).details().listing.problems.is_empty());
    });
}

#[test]
fn a_tag_on_an_older_commit_takes_nobody_back_and_main_may() {
    story(|app| {
        let ann = app.creator("ann");
        let source = ann.source(SKILL);
        source.holds(SKILL, "1.0.0").commits("The first");
        source.git(&["tag", "v1.0.0"]);
        source.holds(SKILL, "2.0.0");
        source.pushes().is_taken();
        app.offer(SKILL).priced(900).published();
        let bob = app.buyer("bob");
        bob.buys(SKILL);
        let copy = bob.clones(SKILL);
        copy.sees_full("2.0.0");

        source.pushes_refs(&["v1.0.0"]).is_taken().says("1.0.0 was not released: it is lower than 2.0.0");
        copy.pulls().sees_full("2.0.0");
        assert_eq!(app.offer(SKILL).versions(), ["2.0.0"]);

        source.holds(SKILL, "1.5.0");
        source.pushes().is_taken().says("released lint-pro 1.5.0");
        copy.pulls().sees_full("1.5.0");
    });
}

#[test]
fn a_fault_is_forgotten_when_main_holds_what_is_released_again() {
    story(|app| {
        let ann = app.creator("ann");
        ann.publishes(SKILL).priced(900);
        let source = ann.source(SKILL);
        source.writes("references/notes.md", "quietly changed\n");
        source.pushes().is_taken().says("version 1.0.0 is released already");
        assert!(!app.offer(SKILL).details().listing.problems.is_empty());
        source.git(&["revert", "--no-edit", "HEAD"]);
        source.pushes_refs(&["main"]).is_taken().says("unchanged lint-pro 1.0.0");
        assert!(app.offer(SKILL).details().listing.problems.is_empty());
    });
}

#[test]
fn the_releases_of_one_push_are_bounded_however_small_its_pack_is() {
    story(|app| {
        let node = app.node_fitted(Fitting {
            limits: Limits { push_bytes: 1 << 20, ..Limits::default() },
            ..Fitting::default()
        });
        let source = app.creator("bea").source("tools").at(&node);
        // Once in the pack, and once in each skill.
        source.writes("shared/noise.bin", noise(1, 400_000));
        for skill in ["one", "two", "three"] {
            source.holds_in(&format!("skills/{skill}"), skill, "1.0.0");
            let link = source.folder().join(format!("skills/{skill}/shared"));
            std::os::unix::fs::symlink("../../shared", link).unwrap();
        }
        source
            .pushes()
            .is_taken()
            .says("2 released, 0 unchanged, 1 kept")
            .says("the releases of one push may have 1 MiB in all");
        // What was left out comes with another push.
        source.writes("README.md", "More.\n");
        source.pushes().is_taken().says("1 released, 2 unchanged");
    });
}

#[test]
fn however_many_releases_there_are_one_fits_into_the_memory_for_contents() {
    story(|app| {
        let limits =
            Limits { content_bytes: 2 << 20, patience: Duration::from_millis(500), ..Limits::default() };
        let node = app.node_fitted(Fitting { limits, ..Fitting::default() });
        let ann = app.creator("ann");
        let source = ann.source(SKILL);
        let release = |number: u64| {
            source.holds(SKILL, &format!("1.0.{number}")).writes("noise.bin", noise(number + 1, 400_000));
            source.pushes().is_taken();
        };
        release(0);
        app.offer(SKILL).free().published();
        let bob = app.buyer("bob").at(&node);
        let copy = bob.clones(SKILL);
        for number in 1..10 {
            release(number);
            copy.pulls().sees_full(&format!("1.0.{number}"));
        }
        // Checking out asks for each file by its id.
        let options = ["--filter=blob:none", "--single-branch", "--no-tags"];
        app.buyer("carol").at(&node).clones_with(SKILL, &options).sees_full("1.0.9");
        // Without a depth it takes all tags that there are.
        let whole = app.buyer("dan").at(&node).clones(SKILL);
        whole.sees_full("1.0.9");
        assert_eq!(whole.remote_tags(), BTreeSet::from(["v1.0.9".to_owned()]));
    });
}

/// A commit whose tree is written by hand, as no working folder could hold it.
fn commits_tree(source: &Source<'_>, tree: &str) {
    let commit = source.git(&["commit-tree", tree, "-p", "HEAD", "-m", "By hand"]);
    source.git(&["update-ref", "refs/heads/main", &commit]);
}

/// The tree of HEAD with one more entry at its root; `entry` is what `git mktree` reads.
fn tree_with(source: &Source<'_>, folder: &str, entry: &str) -> String {
    let inner = format!("HEAD:{folder}");
    let mut lines = source.git(&["ls-tree", &inner]);
    lines.push('\n');
    lines.push_str(entry);
    lines.push('\n');
    let tree = mktree(source, &lines);
    let root = source.git(&["ls-tree", "HEAD"]);
    let top = folder.split('/').next().unwrap();
    let skills = if folder.contains('/') {
        let (parent, name) = folder.rsplit_once('/').unwrap();
        let listed = source.git(&["ls-tree", &format!("HEAD:{parent}")]);
        mktree(source, &replaced(&listed, name, &tree))
    } else {
        tree
    };
    mktree(source, &replaced(&root, top, &skills))
}

fn replaced(listed: &str, name: &str, tree: &str) -> String {
    let line = |line: &str| match line.split_once('\t') {
        Some((_, found)) if found == name => format!("040000 tree {tree}\t{name}\n"),
        _ => format!("{line}\n"),
    };
    listed.lines().map(line).collect()
}

fn mktree(source: &Source<'_>, lines: &str) -> String {
    let file = source.folder().parent().unwrap().join("tree.txt");
    std::fs::write(&file, lines).unwrap();
    let script = format!("git mktree --missing < '{}'", file.display());
    source.git(&["-c", &format!("alias.by-hand=!{script}"), "by-hand"])
}

#[test]
fn a_hostile_path_keeps_its_skill_back_by_name_and_none_of_its_neighbours() {
    story(|app| {
        let ann = app.creator("ann");
        let source = ann.source("tools");
        source.holds_in("skills/good", "good", "1.0.0").holds_in("skills/bad", "bad", "1.0.0");
        source.pushes().is_taken().says("2 released");
        app.offer("good").free().published();
        app.offer("bad").free().published();
        let bob = app.buyer("bob");
        let (good, bad) = (bob.clones("good"), bob.clones("bad"));
        let evil = source.git(&["rev-parse", "HEAD:skills/bad/SKILL.md"]);
        let trees = [
            (format!("100644 blob {evil}\taux.md"), "aux.md"),
            (format!("100644 blob {evil}\tA.md\n100644 blob {evil}\ta.md"), "a.md"),
            (format!("100644 blob {evil}\tback\\slash.md"), "slash.md"),
            (format!("100644 blob {evil}\tright\u{202e}left.md"), "left.md"),
            (format!("100644 blob {evil}\tzero\u{200b}width.md"), "width.md"),
            (format!("160000 commit {}\tmodule", "1".repeat(40)), "module"),
        ];
        for (next, (entry, path)) in (1..).zip(trees) {
            source.holds_in("skills/good", "good", &format!("1.0.{next}"));
            source.holds_in("skills/bad", "bad", &format!("1.0.{next}"));
            source.commits("Both raised");
            commits_tree(&source, &tree_with(&source, "skills/bad", &entry));
            let pushed = source.pushes_refs(&["--force", "main"]).is_taken().says("1 released");
            assert!(pushed.text().contains(path), "{path} is not named:\n{}", pushed.text());
            good.pulls().sees_full(&format!("1.0.{next}"));
            bad.pulls().sees_full("1.0.0");
            assert_eq!(app.offer("bad").versions(), ["1.0.0"]);
            source.git(&["reset", "-q", "--hard", "main~1"]);
        }
    });
}

#[test]
fn a_tree_that_would_write_into_git_is_refused_whole() {
    story(|app| {
        let ann = app.creator("ann");
        ann.publishes(SKILL).free();
        let source = ann.source(SKILL);
        let bob = app.buyer("bob");
        let copy = bob.clones(SKILL);
        let manifest = source.git(&["rev-parse", "HEAD:SKILL.md"]);
        for name in [".git", ".GIT", "git~1", ".."] {
            let tree = source.git(&["write-tree"]);
            // git itself will not write such a name: the tree's bytes are made by hand.
            let mut bytes = format!("100644 {name}\0").into_bytes();
            bytes.extend((0..20).map(|at| u8::from_str_radix(&manifest[at * 2..at * 2 + 2], 16).unwrap()));
            let file = ann.folder().join("tree.bin");
            std::fs::write(&file, bytes).unwrap();
            let path = file.to_string_lossy().into_owned();
            let evil = source.git(&["hash-object", "-t", "tree", "--literally", "-w", &path]);
            let lines = format!("{}\n040000 tree {evil}\tdocs\n", source.git(&["ls-tree", &tree]));
            commits_tree(&source, &mktree(&source, &lines));
            let pushed = source.pushes_refs(&["main"]).is_refused();
            assert!(pushed.text().contains(name), "{name:?} is not named:\n{}", pushed.text());
            source.git(&["update-ref", "refs/heads/main", "main~1"]);
            copy.pulls().sees_full("1.0.0");
            assert_eq!(app.offer(SKILL).versions(), ["1.0.0"]);
        }
    });
}

#[test]
fn a_link_that_leaves_the_tree_is_refused_and_one_that_stays_is_kept() {
    story(|app| {
        let ann = app.creator("ann");
        let source = ann.source(SKILL);
        source.holds(SKILL, "1.0.0");
        std::os::unix::fs::symlink("notes.md", source.folder().join("references/also.md")).unwrap();
        source.pushes().is_taken();
        app.offer(SKILL).free().published();
        let copy = app.buyer("bob").clones(SKILL);
        let files = copy.sees_full("1.0.0").files();
        let folder = format!("skills/{SKILL}/references");
        assert_eq!(files[&format!("{folder}/also.md")], files[&format!("{folder}/notes.md")]);
        source.holds(SKILL, "1.0.1");
        std::os::unix::fs::symlink("../../../../etc/passwd", source.folder().join("references/out.md"))
            .unwrap();
        source.pushes().is_taken().says("references/out.md");
        copy.pulls().sees_full("1.0.0");
    });
}

#[test]
fn a_secret_of_an_earlier_commit_reaches_no_buyer() {
    story(|app| {
        const SECRET: &str = "the-password-that-ann-committed";
        let ann = app.creator("ann");
        let source = ann.source(SKILL);
        source.holds(SKILL, "1.0.0").writes("scripts/.env", SECRET);
        source.commits("Oh no");
        source.removes("scripts/.env").writes("draft.txt", format!("{SECRET}, once more"));
        source.commits("Gone, and another one");
        source.removes("draft.txt");
        source.pushes().is_taken();
        app.offer(SKILL).priced(900).published();
        let bob = app.buyer("bob");
        bob.buys(SKILL);
        for copy in
            [bob.clones(SKILL), bob.clones_with(SKILL, &["--depth=1"]), bob.clones_with(SKILL, &["--mirror"])]
        {
            assert!(!copy.everything().contains(SECRET));
        }
        let copy = bob.clones(SKILL);
        for id in source.git(&["rev-list", "--objects", "--all"]).lines() {
            let id = id.split(' ').next().unwrap();
            let bare = copy.git(&["cat-file", "-e", id]).succeeded();
            let fetched = copy.git(&["fetch", "-q", "--depth=1", &bob.url(SKILL), id]);
            assert!(bare || !fetched.succeeded(), "{id} was handed out");
        }
        assert!(!copy.everything().contains(SECRET));
        // It is the creator's own, who reads it back.
        let own = ann.folder().join("own");
        ann.git().ok(ann.folder(), &["clone", "-q", &source.url(), &own.to_string_lossy()]);
        assert!(ann.git().ok(&own, &["log", "-p"]).contains(SECRET));
    });
}

#[test]
fn a_creators_second_machine_clones_pulls_and_pushes_the_source() {
    story(|app| {
        let ann = app.creator("ann");
        let source = ann.source(SKILL);
        source.holds(SKILL, "1.0.0");
        source.pushes().is_taken();
        let second = ann.folder().join("second");
        ann.git().ok(ann.folder(), &["clone", "-q", &source.url(), &second.to_string_lossy()]);
        source.holds(SKILL, "1.1.0");
        source.pushes().is_taken();
        ann.git().ok(&second, &["pull", "-q", "--ff-only"]);
        assert_eq!(ann.git().ok(&second, &["rev-parse", "HEAD"]), source.git(&["rev-parse", "HEAD"]));
        std::fs::write(second.join("references/notes.md"), "from the train\n").unwrap();
        std::fs::write(
            second.join("SKILL.md"),
            std::fs::read_to_string(second.join("SKILL.md")).unwrap().replace("1.1.0", "1.2.0"),
        )
        .unwrap();
        ann.git().commit(&second, "From the train");
        ann.git().ok(&second, &["push", "-q", "origin", "main"]);
        source.git(&["pull", "-q", "--ff-only", &source.url(), "main"]);
        source.git(&["fsck", "--strict"]);
        assert_eq!(app.offer(SKILL).versions(), ["1.0.0", "1.1.0", "1.2.0"]);
        let stranger = app.buyer("bob");
        let refused = stranger.git().fails(stranger.folder(), &["ls-remote", &source.url()]);
        assert!(refused.contains("not found") || refused.contains("no such"), "{refused}");
    });
}

#[test]
fn a_force_push_rewrites_the_source_and_no_buyers_copy() {
    story(|app| {
        let ann = app.creator("ann");
        ann.publishes(SKILL).priced(900);
        ann.releases(SKILL, "1.1.0");
        let bob = app.buyer("bob");
        bob.buys(SKILL);
        let copy = bob.clones(SKILL);
        let source = ann.source(SKILL);
        source.git(&["reset", "-q", "--hard", "main~1"]);
        source.holds(SKILL, "1.2.0");
        source.commits("Another history");
        source.pushes_refs(&["main"]).is_refused();
        copy.pulls().sees_full("1.1.0");
        source.pushes_refs(&["--force", "main"]).is_taken();
        copy.pulls().sees_full("1.2.0");
        assert_eq!(app.offer(SKILL).versions(), ["1.0.0", "1.1.0", "1.2.0"]);
        // Back to where it was before: nothing new, and nothing is taken away.
        source.git(&["reset", "-q", "--hard", "main~1"]);
        source.pushes_refs(&["--force", "main"]).is_taken();
        copy.pulls().sees_full("1.2.0");
    });
}

#[test]
fn hostile_words_of_a_creator_stay_text_in_everybodys_marketplace() {
    story(|app| {
        let words = r#""}],"plugins":[{"name":"evil","source":"./"}] </script><img src=x onerror=alert(1)> [x](javascript:y) \u0000 # "#;
        let ann = app.creator("ann");
        let source = ann.source("trap");
        let quoted = serde_json::to_string(words).unwrap();
        source.writes(
            "SKILL.md",
            format!(
                "---\nname: trap\ndescription: {quoted}\nmetadata:\n  version: \"1.0.0\"\n  features: {quoted}\n  \
                 category: tools\n---\n\nText.\n"
            ),
        );
        source.pushes().is_taken();
        app.offer("trap").priced(900).published();
        app.creator("carol").publishes(SKILL).priced(900);
        let bob = app.buyer("bob");
        let market = bob.clones("marketplace");
        let entries = market.entries();
        assert_eq!(entries.keys().collect::<Vec<_>>(), [SKILL, "trap"]);
        let description = entries["trap"].json["description"].as_str().unwrap();
        assert!(description.starts_with(r#""}],"plugins":[{"#), "{description}");
        assert!(entries["trap"].locked);
        let stub = bob.clones("trap");
        let plugin: serde_json::Value =
            serde_json::from_str(&stub.sees_stub().files()[".claude-plugin/plugin.json"]).unwrap();
        assert_eq!(plugin["name"], "trap");
        for (path, text) in stub.files() {
            // In JSON and in the frontmatter's quoted scalars it is data; in text every sign is escaped.
            let body = if path.contains(".json") { "" } else { text.rsplit("\n---\n").next().unwrap() };
            let bare = body.replace("\\<", "").replace("\\]", "");
            assert!(
                !bare.contains("<img") && !bare.contains("</script") && !bare.contains("]("),
                "{path}: {text}"
            );
        }
        let mut browser = app.browser();
        for path in ["/skills/trap", "/buy/trap", "/@ann"] {
            let page = browser.open(path);
            assert_eq!(page.status(), 200);
            page.omits("<img").omits("<script>").omits("href=\"javascript:").says(">trap<");
        }
        browser.open("/skills/trap").says("&#60;img src=x onerror=alert(1)&#62;");
        bob.buys("trap");
        market.pulls().lists_owned("trap", "1.0.0");
        assert_eq!(market.entries().len(), 2);
    });
}

#[test]
fn many_small_pushes_are_merged_and_another_node_takes_the_next() {
    story(|app| {
        let ann = app.creator("ann");
        ann.publishes(SKILL).free();
        let first = app.node();
        for round in 1..=24 {
            ann.source(SKILL).at(&first).writes("notes.txt", format!("round {round}\n"));
            ann.source(SKILL).at(&first).pushes().is_taken();
        }
        let listing = app.offer(SKILL).details();
        let packs = app.packs_of(listing.listing.source);
        assert!(packs < 20, "{packs} packs after 25 pushes");
        let other = app.another_node();
        ann.source(SKILL).at(&other).holds(SKILL, "3.0.0");
        ann.source(SKILL).at(&other).pushes().is_taken();
        app.buyer("bob").at(&first).clones(SKILL).sees_full("3.0.0");
        for node in [&first, &other] {
            let own = ann.folder().join(format!("own-{}", node.port()));
            let url = ann.at(node).source_url(SKILL);
            ann.git().ok(ann.folder(), &["clone", "-q", &url, &own.to_string_lossy()]);
            ann.git().ok(&own, &["fsck", "--strict"]);
            assert_eq!(ann.git().ok(&own, &["rev-list", "--count", "HEAD"]), "26");
        }
    });
}

#[test]
fn what_a_power_cut_left_of_a_sources_copy_is_made_again() {
    story(|app| {
        let ann = app.creator("ann");
        ann.publishes(SKILL).free();
        let copies = app.node().scratch().join("sources");
        let copy = std::fs::read_dir(copies).unwrap().next().unwrap().unwrap().path();
        for file in std::fs::read_dir(&copy).unwrap() {
            std::fs::write(file.unwrap().path(), "").unwrap();
        }
        let left = copy.join("incoming-killed");
        std::fs::create_dir(&left).unwrap();
        std::fs::write(left.join("incoming"), "half a pack").unwrap();

        ann.releases(SKILL, "1.0.1");
        app.buyer("bob").clones(SKILL).sees_full("1.0.1");
        assert!(!left.exists());
        let again = ann.folder().join("again");
        ann.git().ok(ann.folder(), &["clone", "-q", &ann.source_url(SKILL), &again.to_string_lossy()]);
        assert!(again.join("SKILL.md").exists());
    });
}

#[test]
fn a_deleted_tag_is_named_and_its_release_stays() {
    story(|app| {
        let ann = app.creator("ann");
        let source = ann.source(SKILL);
        source.holds(SKILL, "1.0.0");
        source.pushes().is_taken();
        source.git(&["tag", "v1.0.0"]);
        source.pushes_refs(&["v1.0.0", "main:refs/heads/topic"]).is_taken();
        let deleted = source.pushes_refs(&["--delete", "v1.0.0", "topic"]).is_taken();
        deleted
            .says("deleted tag v1.0.0")
            .says("deleted branch topic")
            .says("releases made from deleted tags stay available")
            .never_says("nothing to release");
        assert_eq!(app.offer(SKILL).versions(), ["1.0.0"]);
    });
}

#[test]
fn files_of_old_histories_are_taken_with_a_warning_and_released_as_others() {
    story(|app| {
        let ann = app.creator("ann");
        let source = ann.source(SKILL);
        source.holds(SKILL, "1.0.0").commits("As of old");
        let mut tree = Vec::new();
        for line in source.git(&["ls-tree", "HEAD"]).lines() {
            let (head, name) = line.split_once('\t').unwrap();
            let id = head.rsplit(' ').next().unwrap();
            let mode = if head.starts_with("040000") { "40000" } else { "100664" };
            tree.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            tree.extend((0..20).map(|at| u8::from_str_radix(&id[at * 2..at * 2 + 2], 16).unwrap()));
        }
        let file = ann.folder().join("tree.bin");
        std::fs::write(&file, tree).unwrap();
        let path = file.to_string_lossy().into_owned();
        let old = source.git(&["hash-object", "-t", "tree", "--literally", "-w", &path]);
        commits_tree(&source, &old);
        source.pushes_refs(&["main"]).is_taken().says("old mode 100664").says("released lint-pro 1.0.0");
        app.offer(SKILL).free().published();
        let copy = app.buyer("bob").clones(SKILL);
        copy.sees_full("1.0.0");
        let again = ann.folder().join("again");
        ann.git().ok(ann.folder(), &["clone", "-q", &ann.source_url(SKILL), &again.to_string_lossy()]);
        assert_eq!(ann.git().ok(&again, &["rev-parse", "HEAD^{tree}"]), old, "the history is kept as it is");
    });
}

#[test]
fn more_than_a_thousand_tags_in_one_push_are_taken() {
    story(|app| {
        let ann = app.creator("ann");
        let source = ann.source(SKILL);
        let mut commits = Vec::new();
        for number in 0..20 {
            source.holds(SKILL, &format!("1.{number}.0")).commits("One more");
            commits.push(source.git(&["rev-parse", "HEAD"]));
        }
        let mut tags: Vec<String> = (0..1_200)
            .map(|number| format!("{} refs/tags/build/{number:04}\n", commits[number % commits.len()]))
            .collect();
        tags.sort_by_key(|line| line.split(' ').next_back().map(str::to_owned));
        let packed = source.folder().join(".git/packed-refs");
        std::fs::write(packed, format!("# pack-refs with: peeled fully-peeled sorted \n{}", tags.concat()))
            .unwrap();
        let began = std::time::Instant::now();
        source.pushes_refs(&["main", "--tags"]).is_taken().says("released lint-pro 1.19.0");
        eprintln!("1,201 refs took {:?}", began.elapsed());
        assert_eq!(source.git(&["ls-remote", "--tags", &source.url()]).lines().count(), 1_200);
        // The next push is an ordinary one.
        source.holds(SKILL, "2.0.0");
        let began = std::time::Instant::now();
        source.pushes().is_taken().says("released lint-pro 2.0.0");
        eprintln!("the next one {:?}", began.elapsed());
    });
}

#[test]
fn many_small_pushes_to_a_large_source_take_little_storage() {
    story(|app| {
        let ann = app.creator("ann");
        let source = ann.source(SKILL);
        source.holds(SKILL, "1.0.0").writes("large.bin", noise(3, 2_000_000));
        source.pushes().is_taken();
        for round in 0..44 {
            source.writes("notes.txt", format!("round {round}\n"));
            source.commits("A little more").pushes_refs(&["main:refs/heads/topic"]).is_taken();
        }
        let stored = bytes_below(&app.database().path().join("objects/sources"));
        assert!(stored < 3_000_000, "{stored} bytes for a source of 2 MB");
        let copies = bytes_below(&app.node().scratch().join("sources"));
        assert!(copies < 3_000_000, "{copies} bytes of copies");
    });
}

fn bytes_below(folder: &std::path::Path) -> u64 {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { bytes_below(&path) } else { std::fs::metadata(path).unwrap().len() }
        })
        .sum()
}
