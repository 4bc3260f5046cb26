//! What a pusher reads when a push has to wait or is refused, and pushes through several processes at once.
//! git shows nothing of an HTTP error, so all of it is said within the protocol.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

use skaas_testkit::git::Ran;
use skaas_testkit::process::{Installation, Server};
use skaas_testkit::wire::Connection;

use crate::patience::{begun_push, noise};
use crate::raw::{eventually, metric, open, until_closed};
use crate::story::{House, Person, SKILL};

/// The programs to push with: the one on the path, and the distribution's where it is another.
fn gits() -> Vec<&'static str> {
    let others = ["/usr/bin/git"].into_iter().filter(|path| fs::metadata(path).is_ok());
    std::iter::once("git").chain(others).collect()
}

/// Pushes with one of several gits.
fn push_with(program: &str, who: &Person, folder: &str, arguments: &[&str]) -> Ran {
    let inner = who.git.command(&who.folder.join(folder), arguments);
    let mut command = std::process::Command::new(program);
    command.args(inner.get_args()).env_clear().current_dir(who.folder.join(folder));
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Ran::capture(&mut command, b"")
}

/// Said by git when it has read nothing of the reason.
#[track_caller]
fn is_told(ran: &Ran, sentence: &str) {
    assert!(!ran.succeeded(), "{ran}");
    assert!(ran.stderr.contains(sentence), "nothing of {sentence:?}\n{ran}");
    assert!(ran.stderr.contains("[remote rejected]"), "{ran}");
    for riddle in ["RPC failed", "Everything up-to-date", "hung up", "HTTP "] {
        assert!(!ran.stderr.contains(riddle), "{riddle}\n{ran}");
    }
}

#[test]
fn a_push_that_is_too_large_is_refused_in_words() {
    let house = House::configured(&[SKILL], |i| i.with_variable("SKAAS_PUSH_MIB", "1"));
    let work = house.ann.folder.join(SKILL);
    let url = house.server.at(&format!("s/ann/{SKILL}.git"));
    // The second is more than is ever written to the disk.
    for (name, size) in [("three.bin", 3 << 20), ("fourteen.bin", 14 << 20)] {
        fs::write(work.join(name), noise(size)).unwrap();
        house.ann.git.commit(&work, name);
        for git in gits() {
            is_told(&push_with(git, &house.ann, SKILL, &["push", &url, "main"]), "the push is");
        }
    }
    house.ann.git.ok(&work, &["reset", "-q", "--hard", "HEAD~2"]);
    house.release("1.3.0");
}

#[test]
fn a_push_without_end_is_cut_off() {
    let house = House::configured(&[], |i| i.with_variable("SKAAS_PUSH_MIB", "1"));
    let begun =
        begun_push(&house.ann, "endless").replace("content-length: 1000000", "transfer-encoding: chunked");
    let (head, body) = begun.split_once("\r\n\r\n").unwrap();
    let mut stream = open(house.server.port());
    write!(stream, "{head}\r\n\r\n{:x}\r\n{body}\r\n", body.len()).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        let chunk = [b"100000\r\n".as_slice(), &vec![b'x'; 1 << 20], b"\r\n"].concat();
        (0..4096).take_while(|_| writer.write_all(&chunk).is_ok()).count()
    });
    until_closed(stream);
    let taken = sending.join().unwrap();
    assert!(taken < 128, "{taken} MiB were read");
}

#[test]
fn whatever_is_wrong_after_the_first_command_is_said_within_the_protocol() {
    let house = House::with(&[SKILL]);
    let command =
        format!("{} {} refs/heads/main\0 report-status side-band-64k", "0".repeat(40), "1".repeat(40));
    let first = format!("{:04x}{command}", command.len() + 4);
    let many = (0..10_001).fold(String::new(), |mut many, number| {
        let line = format!("{} {} refs/tags/v{number}", "0".repeat(40), "1".repeat(40));
        write!(many, "{:04x}{line}", line.len() + 4).unwrap();
        many
    });
    for (rest, sentence) in [
        ("zzzz".to_owned(), "the push is malformed"),
        (String::new(), "the push ended before its commands did"),
        ("0000junk".to_owned(), "the pack"),
        (many + "0000", "a push takes at most 10000 refs"),
    ] {
        let body = format!("{first}{rest}");
        let path = "/s/ann/fresh.git/git-receive-pack";
        let answer = house.connect(&house.ann).send("POST", path, &[], body.as_bytes());
        assert_eq!(answer.status, 200, "{sentence}");
        let told = answer.text();
        assert!(told.contains(&format!("unpack {sentence}")), "{sentence}: {told}");
        assert!(told.contains("ng refs/heads/main"), "{told}");
    }
    // Somebody else's source is refused like one that does not exist.
    let eve = house.person("eve");
    let refused = |path: &str| {
        let answer = house.connect(&eve).send("POST", path, &[], format!("{first}0000").as_bytes());
        (answer.status, answer.text())
    };
    let theirs = refused(&format!("/s/ann/{SKILL}.git/git-receive-pack"));
    assert_eq!(theirs, refused("/s/nobody/no-such.git/git-receive-pack"));
    assert!(theirs.1.contains("ng refs/heads/main"), "{theirs:?}");
}

#[test]
fn a_push_waits_for_its_turn_and_its_pusher_sees_that() {
    let house = House::configured(&[SKILL], |i| i.with_variable("SKAAS_CONCURRENT_PUSHES", "1"));
    let mallory = house.person("mallory");
    let mut slow = open(house.server.port());
    slow.write_all(begun_push(&mallory, "slow").as_bytes()).unwrap();
    house.edit("1.3.0");
    let work = house.ann.folder.join(SKILL);
    fs::write(work.join("references/more.bin"), noise(3 << 20)).unwrap();
    house.ann.git.commit(&work, "Release 1.3.0");
    let url = house.server.at(&format!("s/ann/{SKILL}.git"));
    let mut command = house.ann.git.command(&work, &["push", "--progress", &url, "main"]);
    eventually("the slow push has the place", || metric(&house.server, "skaas_pushes_in_flight") == 1);
    let pushing = std::thread::spawn(move || Ran::capture(&mut command, b""));
    eventually("the other one waits", || metric(&house.server, "skaas_pushes_waiting") == 1);
    drop(slow);
    let pushed = pushing.join().unwrap();
    assert!(pushed.succeeded(), "{pushed}");
    assert!(pushed.stderr.contains("Waiting for other pushes to finish, done"), "{pushed}");
    assert!(pushed.stderr.contains("released migration-guard 1.3.0"), "{pushed}");
}

#[test]
fn a_full_queue_and_a_wait_that_is_too_long_are_refused_in_words() {
    for (queued, seconds) in [("0", "300"), ("8", "1")] {
        let house = House::configured(&[SKILL], |i: Installation| {
            i.with_variable("SKAAS_CONCURRENT_PUSHES", "1")
                .with_variable("SKAAS_QUEUED_PUSHES", queued)
                .with_variable("SKAAS_PUSH_WAIT_SECONDS", seconds)
        });
        let mallory = house.person("mallory");
        let mut slow = open(house.server.port());
        slow.write_all(begun_push(&mallory, "slow").as_bytes()).unwrap();
        eventually("it has the place", || metric(&house.server, "skaas_pushes_in_flight") == 1);
        house.edit("1.3.0");
        let work = house.ann.folder.join(SKILL);
        fs::write(work.join("references/more.bin"), noise(3 << 20)).unwrap();
        house.ann.git.commit(&work, "Release 1.3.0");
        let url = house.server.at(&format!("s/ann/{SKILL}.git"));
        for git in gits() {
            let began = Instant::now();
            let ran = push_with(git, &house.ann, SKILL, &["push", &url, "main"]);
            is_told(&ran, "the server is busy and kept nothing of this push");
            assert!(began.elapsed() < Duration::from_secs(20));
        }
        drop(slow);
        eventually("there is a place again", || {
            house.ann.git.run(&work, &["push", "-q", &url, "main"]).succeeded()
        });
    }
}

/// By hand, since git itself takes minutes to compare so many refs with one another.
#[test]
fn ten_thousand_tags_in_one_push_are_taken_in_good_time() {
    let house = House::with(&[SKILL]);
    let work = house.ann.folder.join(SKILL);
    let mut commits = Vec::new();
    for number in 0..20 {
        house.edit(&format!("1.{}.0", 3 + number));
        house.ann.git.commit(&work, "One more");
        commits.push(house.ann.git.ok(&work, &["rev-parse", "HEAD"]));
    }
    let pack = work.join("tags");
    house.ann.git.ok(&work, &["bundle", "create", &pack.to_string_lossy(), "HEAD", "^HEAD~20"]);
    let bundle = fs::read(&pack).unwrap();
    let start = bundle.windows(8).position(|bytes| bytes == b"PACK\0\0\0\x02").unwrap();
    let mut body = Vec::new();
    for number in 0..10_000 {
        let first = if number == 0 { "\0 report-status side-band-64k" } else { "" };
        let commit = &commits[number % commits.len()];
        let line = format!("{} {commit} refs/tags/build/{number}{first}", "0".repeat(40));
        write!(body, "{:04x}{line}", line.len() + 4).unwrap();
    }
    body.extend_from_slice(b"0000");
    body.extend_from_slice(&bundle[start..]);
    let began = Instant::now();
    let path = format!("/s/ann/{SKILL}.git/git-receive-pack");
    let answer = house.connect(&house.ann).send("POST", &path, &[], &body);
    let took = began.elapsed();
    eprintln!("10,000 refs took {took:?}");
    assert!(took < Duration::from_mins(1), "{took:?}");
    let told = answer.text();
    assert!(told.contains("unpack ok") && told.contains("ok refs/tags/build/9999"), "{told}");
    let url = house.server.at(&format!("s/ann/{SKILL}.git"));
    assert_eq!(house.ann.git.ok(&work, &["ls-remote", "--tags", &url]).lines().count(), 10_000);
    let began = Instant::now();
    house.release("2.0.0");
    eprintln!("the next push took {:?}", began.elapsed());
}

/// Two servers on one data folder, as after a restart that did not wait for the old one to end.
#[test]
fn pushes_through_two_processes_on_one_data_folder_leave_each_other_alone() {
    let house = House::with(&[SKILL]);
    let second = house.server.installation().serve();
    let with_token = |server: &Server| server.url().replace("://", &format!("://ann:{}@", house.ann.token));
    let branches = |name: &'static str, base: String| {
        let ann = &house.ann;
        move || {
            let folder = format!("{name}-work");
            let (url, shown) = (format!("{base}/s/ann/{SKILL}.git"), ann.folder.join(&folder));
            ann.git.ok(&ann.folder, &["clone", "-q", &url, &shown.to_string_lossy()]);
            for round in 0..8 {
                fs::write(shown.join(format!("{name}.bin")), noise(300_000 + round)).unwrap();
                ann.git.commit(&shown, &format!("{name} {round}"));
                let ran = ann.git.run(&shown, &["push", "-q", "origin", &format!("HEAD:refs/heads/{name}")]);
                assert!(ran.succeeded(), "{name} {round}: {ran}");
            }
        }
    };
    let (first, other) =
        (branches("left", with_token(&house.server)), branches("right", with_token(&second)));
    std::thread::scope(|scope| {
        scope.spawn(first);
        scope.spawn(other);
    });
    for (name, base) in [("a", with_token(&house.server)), ("b", with_token(&second))] {
        let copy = house.ann.folder.join(name);
        let url = format!("{base}/s/ann/{SKILL}.git");
        house.ann.git.ok(&house.ann.folder, &["clone", "-q", &url, &copy.to_string_lossy()]);
        house.ann.git.ok(&copy, &["fsck", "--strict"]);
        assert_eq!(house.ann.git.ok(&copy, &["rev-list", "--count", "origin/left", "origin/right"]), "17");
    }
    for server in [&house.server, &second] {
        assert!(!server.log().contains("ERROR"), "{}", server.log());
        assert_eq!(Connection::open(server.port()).get("/readyz").status, 200);
    }
}
