//! What a whole lineage costs, in bytes and in the server's CPU time: the figures of docs/git-clients.md.

use std::path::Path;

use skaas_testkit::wire::Connection;

use crate::story::{House, Person, SKILL, own};

const REPEATS: u64 = 20;

/// CPU time of a process so far, in milliseconds.
fn cpu_ms(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).unwrap();
    // After the name, which may hold anything: user and system time are fields 14 and 15, in 1/100 s.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10
}

fn packet(text: &str) -> String {
    format!("{:04x}{text}\n", text.len() + 5)
}

fn ask(line: &mut Connection, repo: &str, request: &str) -> Vec<u8> {
    let path = format!("/{}/git-upload-pack", own(repo));
    let answer = line.send("POST", &path, &[("git-protocol", "version=2")], request.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.body
}

/// The ids of HEAD and of all tags.
fn tips(line: &mut Connection, repo: &str) -> Vec<String> {
    let listed = ask(line, repo, &format!("{}0000", packet("command=ls-refs")));
    let listed = String::from_utf8(listed).unwrap();
    let mut ids: Vec<String> =
        listed.lines().filter_map(|line| Some(line.get(4..)?.split_once(' ')?.0.to_owned())).collect();
    ids.dedup();
    ids
}

/// Bytes and microseconds of one fetch.
fn cost(house: &House, who: &Person, repo: &str, deepen: bool) -> (usize, u64) {
    let mut line = house.connect(who);
    let wants: String = tips(&mut line, repo).iter().map(|id| packet(&format!("want {id}"))).collect();
    let depth = if deepen { packet("deepen 1") } else { String::new() };
    let request = format!(
        "{}0001{}{}{wants}{depth}{}0000",
        packet("command=fetch"),
        packet("thin-pack"),
        packet("ofs-delta"),
        packet("done")
    );
    let bytes = ask(&mut line, repo, &request).len();
    let before = cpu_ms(house.server.pid());
    for _ in 0..REPEATS {
        ask(&mut line, repo, &request);
    }
    (bytes, (cpu_ms(house.server.pid()) - before) * 1000 / REPEATS)
}

#[test]
#[ignore = "a measurement of minutes; run it with --run-ignored only --no-capture"]
fn what_a_lineage_costs() {
    let house = House::with(&[SKILL, "writing-desk", "release-desk", "flaky-test-hunter"]);
    let bob = house.person("bob");
    let mut line = house.connect(&bob);
    let mut steps = 0;
    for many in [1, 5, 51, 499] {
        while steps < many {
            // The last of an odd number of steps is a grant: all of them may be sent.
            let change = if steps % 2 == 0 { House::grant } else { House::revoke };
            change(&house, &bob);
            for repo in ["marketplace", SKILL] {
                tips(&mut line, repo);
            }
            steps += 1;
        }
        for repo in ["marketplace", SKILL] {
            let (shallow, one) = cost(&house, &bob, repo, true);
            let (whole, all) = cost(&house, &bob, repo, false);
            println!(
                "{repo}: {steps} steps: depth 1 {shallow} bytes, {one} µs; whole {whole} bytes, {all} µs"
            );
        }
    }
}
