//! git in the versions that are here, and the libraries, each driven as a program that embeds it would.

use std::path::{Path, PathBuf};
use std::process::Command;

use skaas_testkit::git::{Git, Protocol, Ran, isolate};

use crate::outcome::Outcome;
use crate::story::Person;

/// How somebody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Clone,
    CloneDepth1,
    Fetch,
    FetchDepth1,
    Pull,
    FetchId,
    Heads,
    /// In a full copy, without saying what it has.
    Noop,
    FollowFull,
    FollowDepth1,
}

impl Way {
    /// As the table calls it.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Clone => "clone",
            Self::CloneDepth1 => "clone, depth 1",
            Self::Fetch => "fetch into an empty repository",
            Self::FetchDepth1 => "the same, depth 1",
            Self::Pull => "pull into an empty repository",
            Self::FetchId => "fetch the tip by its id",
            Self::Heads => "fetch `refs/heads/*:refs/heads/*` into a bare repository",
            Self::Noop => "pull with `fetch.negotiationAlgorithm=noop`",
            Self::FollowFull => "update a full copy",
            Self::FollowDepth1 => "update a copy of depth 1",
        }
    }

    /// The copy that is brought on, for ways that do not make a new one.
    pub(crate) const fn kept(self) -> Option<&'static str> {
        match self {
            Self::FollowFull | Self::Noop => Some("kept-full"),
            Self::FollowDepth1 => Some("kept-depth-1"),
            _ => None,
        }
    }

    /// The ref under which a new copy finds what it asked for.
    const fn lands_at(self) -> &'static str {
        match self {
            Self::Fetch | Self::FetchDepth1 => "refs/remotes/origin/main",
            Self::FetchId => "FETCH_HEAD",
            _ => "refs/heads/main",
        }
    }
}

/// A library that is driven by a script or, for `JGit`, by its own command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    Dulwich,
    Libgit2,
    Isomorphic,
    JGit,
}

pub(crate) const LIBRARIES: [Library; 4] =
    [Library::Dulwich, Library::Libgit2, Library::Isomorphic, Library::JGit];

impl Library {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Dulwich => "dulwich",
            Self::Libgit2 => "libgit2",
            Self::Isomorphic => "isomorphic-git",
            Self::JGit => "JGit",
        }
    }

    pub(crate) fn ways(self) -> Vec<Way> {
        let all = [Way::Clone, Way::CloneDepth1, Way::Fetch, Way::FollowFull, Way::FollowDepth1];
        // JGit has no depth before 6.3.
        let has_depth =
            |way: &Way| self != Self::JGit || ![Way::CloneDepth1, Way::FollowDepth1].contains(way);
        all.into_iter().filter(has_depth).collect()
    }

    const fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Dulwich | Self::Libgit2 => &["SKAAS_TEST_GIT_PYTHON"],
            Self::Isomorphic => &["SKAAS_TEST_GIT_NODE", "SKAAS_TEST_GIT_MODULES"],
            Self::JGit => &["SKAAS_TEST_JGIT_CLASSPATH"],
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Git(&'static str, Protocol),
    Library(Library),
}

/// A client under test.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    kind: Kind,
    /// For messages.
    pub(crate) name: String,
    /// Its rows in the table; all versions of git share theirs.
    pub(crate) row: String,
}

/// The git on the path and, where that is another version, Debian's; each over v0 and v2.
pub(crate) fn gits() -> Vec<Client> {
    let version = |program: &str| {
        let output = Command::new(program).arg("--version").output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let mut gits = Vec::new();
    let mut seen = Vec::new();
    for program in ["git", "/usr/bin/git"] {
        let Some(version) = version(program).filter(|version| !seen.contains(version)) else { continue };
        for protocol in [Protocol::V2, Protocol::V0] {
            let name = format!("{version} over {protocol:?}");
            gits.push(Client { kind: Kind::Git(program, protocol), name, row: "git".into() });
        }
        seen.push(version);
    }
    gits
}

impl Client {
    /// The library, or nobody with a line that says so.
    pub(crate) fn library(library: Library) -> Vec<Self> {
        if library.variables().iter().all(|name| std::env::var_os(name).is_some()) {
            let name = library.name().to_owned();
            return vec![Self { kind: Kind::Library(library), row: name.clone(), name }];
        }
        let missing = format!(
            "{} was not exercised: run eval \"$(scripts/test-git-clients.sh)\" first",
            library.name()
        );
        assert!(std::env::var_os("SKAAS_TEST_ALL").is_none(), "{missing}");
        eprintln!("{missing}");
        Vec::new()
    }

    pub(crate) fn username(&self) -> String {
        let letters = |char: char| if char.is_ascii_alphanumeric() { char } else { '-' };
        self.name.to_lowercase().chars().map(letters).collect()
    }

    pub(crate) fn ways(&self) -> Vec<Way> {
        match self.kind {
            Kind::Library(library) => library.ways(),
            Kind::Git(..) => vec![
                Way::Clone,
                Way::CloneDepth1,
                Way::Fetch,
                Way::FetchDepth1,
                Way::Pull,
                Way::FetchId,
                Way::Heads,
                // Before the copy is brought on.
                Way::Noop,
                Way::FollowFull,
                Way::FollowDepth1,
            ],
        }
    }

    /// Asks for a new copy in `into`.
    pub(crate) fn ask(&self, way: Way, person: &Person, url: &str, into: &Path, tip: &str) -> Outcome {
        let ran = match self.kind {
            Kind::Git(program, protocol) => {
                ask_git(program, &person.git.speaking(protocol), way, url, into, tip)
            }
            Kind::Library(library) => {
                let verb = match way {
                    Way::Clone => "clone",
                    Way::CloneDepth1 => "clone-depth-1",
                    _ => "fetch",
                };
                drive(library, verb, person, url, into)
            }
        };
        new_copy(&ran, &person.git, into, way.lands_at())
    }

    /// Brings a copy on by fast-forward.
    pub(crate) fn follow(&self, way: Way, person: &Person, copy: &Path) -> Outcome {
        let git = &person.git;
        let ran = match self.kind {
            Kind::Git(program, protocol) => {
                let noop = ["-c", "fetch.negotiationAlgorithm=noop"];
                let before = if way == Way::Noop { &noop[..] } else { &[] };
                let arguments = [before, &["pull", "-q", "--ff-only"]].concat();
                run(program, &git.speaking(protocol), copy, &arguments)
            }
            Kind::Library(library) => {
                let url = git.ok(copy, &["config", "remote.origin.url"]);
                let ran = drive(library, "update", person, &url, copy);
                let ahead =
                    git.run(copy, &["merge-base", "--is-ancestor", "HEAD", "refs/remotes/origin/main"]);
                if ran.succeeded() && ahead.succeeded() {
                    git.ok(copy, &["reset", "-q", "--hard", "refs/remotes/origin/main"]);
                    ran
                } else {
                    Ran { code: Some(1), ..ran }
                }
            }
        };
        if !ran.succeeded() {
            return Outcome::Refused(ran.to_string());
        }
        git.ok(copy, &["fsck", "--strict", "--no-dangling", "--no-progress"]);
        Outcome::Follows { tip: git.ok(copy, &["rev-parse", "HEAD"]) }
    }
}

/// What a new copy holds, as git sees it.
fn new_copy(ran: &Ran, git: &Git, folder: &Path, lands_at: &str) -> Outcome {
    let refused = || Outcome::Refused(ran.to_string());
    // Over v2, git rejects the refs of a copy whose boundary it did not ask for, with exit code 0.
    if !ran.succeeded() || ran.stderr.contains("because shallow roots are not allowed") {
        return refused();
    }
    let tip = git.run(folder, &["rev-parse", "--verify", "-q", lands_at]);
    if !tip.succeeded() || !git.run(folder, &["rev-list", "--objects", "--count", lands_at]).succeeded() {
        return refused();
    }
    git.ok(folder, &["fsck", "--strict", "--no-dangling", "--no-progress"]);
    let tip = tip.stdout.trim().to_owned();
    let commits = git.ok(folder, &["rev-list", "--count", lands_at]).parse().unwrap();
    // git's own server calls even a commit without parents a boundary, if that is where the depth ends.
    let boundary = git.ok(folder, &["rev-parse", "--git-path", "shallow"]);
    let boundary = std::fs::read_to_string(folder.join(boundary)).unwrap_or_default();
    let cut = |id: &str| git.ok(folder, &["cat-file", "commit", id]).contains("\nparent ");
    if boundary.lines().any(cut) {
        Outcome::Shallow { tip, commits }
    } else {
        Outcome::Whole { tip, commits }
    }
}

fn ask_git(program: &str, git: &Git, way: Way, url: &str, into: &Path, tip: &str) -> Ran {
    let path = into.to_string_lossy();
    let parent = into.parent().unwrap();
    let new = |options: &[&str]| {
        let arguments = [&["clone", "-q"], options, &[url, path.as_ref()]].concat();
        run(program, git, parent, &arguments)
    };
    let empty = |bare: bool, arguments: &[&str]| {
        let init =
            if bare { vec!["init", "-q", "--bare", &path] } else { vec!["init", "-q", "-b", "main", &path] };
        assert!(run(program, git, parent, &init).succeeded());
        assert!(run(program, git, into, &["remote", "add", "origin", url]).succeeded());
        run(program, git, into, arguments)
    };
    match way {
        Way::Clone => new(&[]),
        Way::CloneDepth1 => new(&["--depth", "1"]),
        Way::Fetch => empty(false, &["fetch", "-q", "origin"]),
        Way::FetchDepth1 => empty(false, &["fetch", "-q", "--depth=1", "origin"]),
        Way::Pull => empty(false, &["pull", "-q", "origin", "main"]),
        Way::FetchId => empty(false, &["fetch", "-q", "origin", tip]),
        Way::Heads => empty(true, &["fetch", "-q", url, "refs/heads/*:refs/heads/*"]),
        Way::Noop | Way::FollowFull | Way::FollowDepth1 => {
            unreachable!("these are for copies that are there")
        }
    }
}

/// Runs a git of some version under a time limit.
fn run(program: &str, git: &Git, folder: &Path, arguments: &[&str]) -> Ran {
    let inner = git.command(folder, arguments);
    let mut limited = limited(program);
    limited.args(inner.get_args()).env_clear().current_dir(folder);
    limited.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    ended(Ran::capture(&mut limited, b""))
}

fn drive(library: Library, verb: &str, person: &Person, url: &str, folder: &Path) -> Ran {
    if library == Library::JGit {
        return drive_jgit(verb, person, url, folder);
    }
    let variable = |name: &str| std::env::var(name).unwrap();
    let script = |name: &str| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/git_clients").join(name);
    let mut command = if library == Library::Isomorphic {
        let mut command = limited(&variable("SKAAS_TEST_GIT_NODE"));
        command.arg(script("drive.mjs")).arg(variable("SKAAS_TEST_GIT_MODULES"));
        command
    } else {
        let mut command = limited(&variable("SKAAS_TEST_GIT_PYTHON"));
        let name = if library == Library::Dulwich { "dulwich" } else { "pygit2" };
        command.arg("-B").arg(script("drive.py")).arg(name);
        command
    };
    isolate(&mut command, person.git.home());
    command.arg(verb).arg(url).arg(folder).args([&person.name, &person.token]);
    ended(Ran::capture(&mut command, b""))
}

/// `JGit`'s command line finds passwords nowhere but in `.netrc`, and that in Java's idea of a home.
fn drive_jgit(verb: &str, person: &Person, url: &str, folder: &Path) -> Ran {
    let classpath = std::env::var("SKAAS_TEST_JGIT_CLASSPATH").unwrap();
    let home = person.git.home();
    let netrc = format!("machine 127.0.0.1 login {} password {}\n", person.name, person.token);
    std::fs::write(home.join(".netrc"), netrc).unwrap();
    let jgit = |arguments: &[&str]| {
        let mut command = limited("java");
        isolate(&mut command, home);
        command.arg("-Djava.awt.headless=true").arg(format!("-Duser.home={}", home.display()));
        command.args(["-cp", &classpath, "org.eclipse.jgit.pgm.Main"]).args(arguments);
        ended(Ran::capture(&mut command, b""))
    };
    let path = folder.to_string_lossy();
    let git_dir = format!("--git-dir={}", folder.join(".git").display());
    if verb == "clone" {
        return jgit(&["clone", url, &path]);
    }
    if verb == "fetch" {
        person.git.ok(folder.parent().unwrap(), &["init", "-q", "-b", "main", &path]);
        person.git.ok(folder, &["remote", "add", "origin", url]);
    }
    jgit(&[&git_dir, "fetch", "origin"])
}

fn limited(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "120", program]);
    command
}

fn ended(ran: Ran) -> Ran {
    assert_ne!(ran.code, Some(124), "it did not end: {ran}");
    ran
}
