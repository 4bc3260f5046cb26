//! Who comes for what, and whether what they got was true at some moment of their visit.

use std::fmt;
use std::sync::Arc;

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use skaas_testkit::app::{Copy, Exchange};
use skaas_testkit::git::{Protocol, Ran};
use skaas_testkit::model::{Sight, World};

use crate::judge::{Shown, marketplace_of, shown_of};
use crate::stage::{BUYERS, CREATORS, Kept, SKILLS, Stage, one};

/// As many copies are kept at once; from then on they are pulled rather than joined by more.
const COPIES: usize = 30;

/// What somebody has in mind.
pub(crate) enum Visit<'a> {
    Clone { user: &'static str, repo: &'static str, protocol: Protocol, options: &'static [&'static str] },
    Pull { kept: Kept<'a>, options: &'static [&'static str] },
    Lie { user: &'static str, repo: &'static str, body: Vec<u8>, said: String },
}

impl fmt::Display for Visit<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clone { user, repo, protocol, options } => {
                write!(out, "{user} clones {repo} over {protocol:?} with {options:?}")
            }
            Self::Pull { kept, options } => {
                write!(
                    out,
                    "{} pulls {} with {options:?} in {}",
                    kept.user,
                    kept.repo,
                    kept.copy.folder().display()
                )
            }
            Self::Lie { user, repo, said, .. } => write!(out, "{user} lies about {repo}: {said}"),
        }
    }
}

fn packet(text: &str) -> String {
    format!("{:04x}{text}\n", text.len() + 5)
}

impl<'a> Stage<'a> {
    /// The next visit.
    pub(crate) fn visit(&self, rng: &mut StdRng) -> Visit<'a> {
        let mut copies = self.copies.lock().unwrap();
        let choice = rng.random_range(0..100);
        if choice < 40 && !copies.is_empty() || copies.len() > COPIES && choice >= 65 {
            let at = rng.random_range(0..copies.len());
            let kept = copies.swap_remove(at);
            let options: &[&str] = [&[][..], &["--tags"], &["--depth=1"]].choose(rng).unwrap();
            // A depth cuts a full copy short; git then cannot always tell that it goes forward.
            let options = if options == ["--depth=1"] { &[] } else { options };
            return Visit::Pull { kept, options };
        }
        let everybody: Vec<&'static str> = BUYERS.iter().chain(&CREATORS).copied().collect();
        let mut user = *everybody.choose(rng).unwrap();
        let mut repo = if rng.random_bool(0.35) { "marketplace" } else { SKILLS.choose(rng).unwrap() };
        if choice < 65 {
            if let Some(kept) = copies.choose(rng).filter(|_| rng.random_bool(0.7)) {
                (user, repo) = (kept.user, kept.repo);
            }
            // Some ask for what they may have, and lie only about what they have.
            let own = copies.iter().find(|kept| kept.user == user && kept.repo == repo);
            let honest = own.filter(|_| rng.random_bool(0.7)).map(|kept| kept.copy.head());
            return self.lie(rng, user, repo, honest);
        }
        let protocol =
            *[Protocol::V2, Protocol::V2, Protocol::V2, Protocol::V1, Protocol::V0].choose(rng).unwrap();
        let options =
            *[&[][..], &["--depth=1"], &["--depth=1"], &["--depth=5"], &["--mirror"]].choose(rng).unwrap();
        Visit::Clone { user, repo, protocol, options }
    }

    /// A request that no honest client would make: wants and haves from everybody's content and steps.
    fn lie(
        &self,
        rng: &mut StdRng,
        user: &'static str,
        repo: &'static str,
        honest: Option<String>,
    ) -> Visit<'a> {
        let ids = self.judge.lock().unwrap().everything();
        let mut pick = |most: usize| -> Vec<String> {
            let count = rng.random_range(0..=most);
            ids.choose_multiple(rng, count).cloned().collect()
        };
        let (mut wants, haves) = (pick(2), pick(8));
        if let Some(tip) = honest {
            wants = vec![tip];
        }
        if wants.is_empty() {
            wants.extend(ids.first().cloned());
        }
        let mut lines = vec!["thin-pack".to_owned(), "ofs-delta".into(), "include-tag".into()];
        lines.extend(wants.iter().map(|id| format!("want {id}")));
        lines.extend(haves.iter().map(|id| format!("have {id}")));
        match rng.random_range(0..6) {
            0 => lines.push("deepen 3".into()),
            1 => lines.push("deepen 2147483647".into()),
            2 => lines.extend(["filter blob:none".into()]),
            3 => lines.extend(haves.iter().take(1).map(|id| format!("shallow {id}"))),
            4 => lines.push("deepen-since 1".into()),
            _ => {}
        }
        lines.push("done".into());
        let said = lines.join(", ");
        let lines: String = lines.iter().map(|line| packet(line)).collect();
        let body = format!("{}0001{lines}0000", packet("command=fetch")).into_bytes();
        Visit::Lie { user, repo, body, said }
    }

    /// Does it, and judges what came of it.
    pub(crate) fn go(&self, visit: Visit<'a>) {
        match visit {
            Visit::Clone { user, repo, protocol, options } => self.clones(user, repo, protocol, options),
            Visit::Pull { kept, options } => self.pulls(kept, options),
            Visit::Lie { user, repo, body, .. } => self.lies(user, repo, &body),
        }
    }

    fn clones(&self, user: &'static str, repo: &'static str, protocol: Protocol, options: &[&str]) {
        one(&self.counts.clones);
        let from = self.timeline.oldest();
        let outcome = self.person(user).speaking(protocol).try_clone(repo, options);
        let worlds = self.timeline.between(from, self.timeline.newest());
        match outcome {
            Ok(copy) if options.contains(&"--mirror") => {
                copy.git(&["fsck", "--strict"]).expect_success();
            }
            Ok(copy) => {
                copy.git(&["fsck", "--strict", "--no-dangling"]).expect_success();
                assert_true(user, repo, &copy, &worlds);
                if options.is_empty() {
                    self.assert_whole_where_it_may_be(user, repo, &copy, &worlds);
                }
                self.copies.lock().unwrap().push(Kept { user, repo, copy });
            }
            Err(ran) => self.assert_may_fail(user, repo, protocol, options, &ran, &worlds),
        }
    }

    /// A copy that named no depth has every step that it may have, or the tip alone.
    fn assert_whole_where_it_may_be(&self, user: &str, repo: &str, copy: &Copy<'_>, worlds: &[Arc<World>]) {
        let tip = copy.head();
        // What somebody saw of their own marketplace, they may always see again.
        let whole = match repo {
            "marketplace" => Some(true),
            skill => self.judge.lock().unwrap().whole(self.app, user, skill, &tip, worlds),
        };
        let shallow = copy.git(&["rev-parse", "--is-shallow-repository"]).expect_success().trim() == "true";
        assert!(whole.is_none_or(|whole| whole != shallow), "{user}, {repo} at {tip}: shallow is {shallow}");
    }

    fn assert_may_fail(
        &self,
        user: &str,
        repo: &str,
        protocol: Protocol,
        options: &[&str],
        ran: &Ran,
        worlds: &[Arc<World>],
    ) {
        one(&self.counts.refused);
        let absent = says_absent(ran);
        if absent && repo != "marketplace" {
            assert!(worlds.iter().any(|world| world.sight(user, repo) == Sight::Nothing), "{ran}");
            return;
        }
        if says_lost(ran) {
            assert!(lost(user, repo, worlds), "nothing was lost, and still: {ran}");
            return;
        }
        // Before version 2, a boundary can be told only to those who ask for a depth, and what changes
        // between refs and pack cannot be told at all.
        assert!(protocol != Protocol::V2, "{ran}");
        let boundary = ran.stderr.contains("--depth 1") && !options.iter().any(|o| o.starts_with("--depth"));
        let meanwhile = worlds.len() > 1 && ran.stderr.contains("just changed");
        assert!(boundary || meanwhile, "{ran}");
    }

    fn pulls(&self, kept: Kept<'a>, options: &[&str]) {
        one(&self.counts.pulls);
        let Kept { user, repo, copy } = kept;
        let before = copy.head();
        let from = self.timeline.oldest();
        let ran = copy.git(&[&["pull", "-q", "--ff-only"], options, &["origin", "main"]].concat());
        let worlds = self.timeline.between(from, self.timeline.newest());
        if ran.succeeded() {
            assert_true(user, repo, &copy, &worlds);
            copy.git(&["fsck", "--strict", "--no-dangling"]).expect_success();
            self.copies.lock().unwrap().push(Kept { user, repo, copy });
            return;
        }
        assert_eq!(copy.head(), before);
        let absent = says_absent(&ran);
        if absent && worlds.iter().any(|world| world.sight(user, repo) == Sight::Nothing) {
            one(&self.counts.refused);
            self.copies.lock().unwrap().push(Kept { user, repo, copy });
            return;
        }
        if says_lost(&ran) {
            assert!(lost(user, repo, &worlds), "{user}, {repo}: nothing was lost, and still: {ran}");
            one(&self.counts.refused);
            self.copies.lock().unwrap().push(Kept { user, repo, copy });
            return;
        }
        // The one case that cannot be followed: a step between is not for this person any more.
        assert!(ran.stderr.contains("clone"), "{user}, {repo}: {ran}");
        assert!(repo != "marketplace", "{user}: {ran}");
        let missed = self.judge.lock().unwrap().missed(self.app, user, repo, &before, &worlds);
        assert!(missed, "{user}, {repo}: every step since {before} may be seen, and still: {ran}");
        one(&self.counts.told_to_clone_again);
        self.clones(user, repo, Protocol::V2, &["--depth=1"]);
    }

    fn lies(&self, user: &str, repo: &str, body: &[u8]) {
        one(&self.counts.lies);
        let path =
            if repo == "marketplace" { "/me/marketplace".into() } else { format!("/me/skills/{repo}") };
        let headers =
            [("git-protocol", "version=2"), ("content-type", "application/x-git-upload-pack-request")];
        let answer =
            self.person(user).connects().send("POST", &format!("{path}.git/git-upload-pack"), &headers, body);
        // What was sent is judged with all other packs; here only that it was an answer at all.
        assert!(matches!(answer.status, 200 | 404), "{}: {}", answer.status, answer.text());
    }

    /// A look in peace: exactly what is true now.
    pub(crate) fn looks(&self, user: &'static str, repo: &'static str) {
        let options: &[&str] = &["--depth=1"];
        self.clones(user, repo, Protocol::V2, options);
    }
}

/// Whether an exchange's path is of a skill or the marketplace; which.
pub(crate) fn repo_of(exchange: &Exchange) -> Option<&str> {
    let rest = exchange.path.strip_prefix("/me/")?.strip_suffix(".git/git-upload-pack")?;
    Some(rest.strip_prefix("skills/").unwrap_or(rest))
}

/// Whether git was answered that nothing is there: at its first request, or at a later one when that has
/// just become true.
fn says_absent(ran: &Ran) -> bool {
    ["not found", "no such repo", "HTTP 404"].iter().any(|words| ran.stderr.contains(words))
}

/// Whether git was told that what it had just been offered is no longer for this person.
fn says_lost(ran: &Ran) -> bool {
    ran.stderr.contains("not our ref") && ran.stderr.contains("run the same command again")
}

/// Whether somebody may have a release in one of these worlds and not in another: between the refs and the
/// pack, the old state is then forbidden, and git asks for it by its id.
fn lost(user: &str, repo: &str, worlds: &[Arc<World>]) -> bool {
    let may = |world: &Arc<World>| match world.sight(user, repo) {
        Sight::Whole(newest) => newest + 1,
        Sight::Stub(_) | Sight::Nothing => 0,
    };
    worlds.windows(2).any(|pair| may(&pair[1]) < may(&pair[0]))
}

/// The checkout is what the model says of one of these worlds.
fn assert_true(user: &str, repo: &str, copy: &Copy<'_>, worlds: &[Arc<World>]) {
    if repo == "marketplace" {
        let lines = marketplace_of(&copy.files()[".claude-plugin/marketplace.json"]).unwrap();
        let expected: Vec<_> = worlds.iter().map(|world| world.marketplace(user)).collect();
        assert!(expected.contains(&lines), "{user} sees {lines:#?}\nbut in these worlds {expected:#?}");
        return;
    }
    let shown = shown_of(repo, &copy.files());
    let expected: Vec<Option<Shown>> =
        worlds.iter().map(|world| Shown::expected(world, user, repo)).collect();
    assert!(
        expected.iter().flatten().any(|one| *one == shown),
        "{user} sees {shown:?} of {repo}\nbut in these worlds {expected:#?}"
    );
}
