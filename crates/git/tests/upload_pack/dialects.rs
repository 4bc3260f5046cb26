//! The words themselves: advertisements, and clients that speak less than git does.

use gix_hash::ObjectId;
use skaas_git::pkt_line::{FLUSH, Packet, Reader, put_line};
use skaas_git::upload_pack::{
    Command, Limits, LsRefs, Refs, Version, advertise, ls_refs, parse_v0, parse_v2, reads_boundary,
};

use crate::server::fetch;
use crate::world::World;

/// Packets as lines; a flush is "0000", a delimiter "0001"; a pack ends the list.
fn lines(bytes: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(bytes);
    let mut lines = Vec::new();
    while !reader.rest().starts_with(b"PACK") {
        lines.push(match reader.next().unwrap() {
            None => return lines,
            Some(Packet::Flush) => "0000".to_owned(),
            Some(Packet::Delim) => "0001".to_owned(),
            Some(Packet::Data([1, b'P', b'A', b'C', b'K', ..])) => "(pack)".to_owned(),
            Some(Packet::Data(data)) => String::from_utf8_lossy(data).trim_end_matches('\n').to_owned(),
            Some(Packet::ResponseEnd) => panic!("unexpected"),
        });
    }
    lines.push("PACK".to_owned());
    lines
}

/// A body: "0000" and "0001" stand for themselves.
fn body(lines: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        match *line {
            "0000" => out.extend_from_slice(FLUSH),
            "0001" => out.extend_from_slice(b"0001"),
            line => put_line(&mut out, line),
        }
    }
    out
}

fn ask_v0(world: &mut World, request: &[&str]) -> Vec<String> {
    let request = parse_v0(&body(request), &Limits::default()).unwrap();
    lines(&fetch(world, &request))
}

fn ask_v2(world: &mut World, arguments: &[&str]) -> Vec<String> {
    let request = [&["command=fetch", "object-format=sha1", "0001"], arguments, &["0000"]].concat();
    let Command::Fetch(request) = parse_v2(&body(&request), &Limits::default()).unwrap() else {
        panic!("a fetch is asked")
    };
    lines(&fetch(world, &request))
}

/// stub, r1; all permitted.
fn bought() -> World {
    let mut world = World::new(true, "stub");
    world.show("r1", &["stub", "r1"]);
    world
}

const UNKNOWN: &str = "1234567890123456789012345678901234567890";

#[test]
fn the_v2_advertisement_is_the_same_for_everyone() {
    let expected = [
        "# service=git-upload-pack",
        "0000",
        "version 2",
        concat!("agent=skaas/", env!("CARGO_PKG_VERSION")),
        "ls-refs=unborn",
        "fetch=shallow wait-for-done filter",
        "server-option",
        "object-format=sha1",
        "0000",
    ];
    assert_eq!(lines(&advertise(Version::V2, &Refs::default(), &[])), expected);
    assert_eq!(
        advertise(Version::V2, &bought().refs(), &[bought().tip()]),
        advertise(Version::V2, &Refs::default(), &[])
    );
}

#[test]
fn the_older_advertisements_list_head_the_branch_and_the_tags_by_name() {
    let mut world = World::new(true, "stub");
    world.tag("b");
    world.tag("a");
    world.show("stub", &["stub", "a", "b"]);
    let (head, a, b) = (world.tip(), world.root("a"), world.root("b"));
    let v0 = lines(&advertise(Version::V0, &world.refs(), &[]));
    let (first, capabilities) = v0[2].split_once('\0').unwrap();
    assert_eq!(first, format!("{head} HEAD"));
    for capability in ["multi_ack_detailed", "no-done", "symref=HEAD:refs/heads/main", "object-format=sha1"] {
        assert!(capabilities.split(' ').any(|word| word == capability), "{capability}");
    }
    let rest = [
        format!("{head} refs/heads/main"),
        format!("{a} refs/tags/v-a"),
        format!("{b} refs/tags/v-b"),
        "0000".to_owned(),
    ];
    assert_eq!(v0[3..], rest);
    let bounded = lines(&advertise(Version::V0, &world.refs(), &[head]));
    assert_eq!(bounded[bounded.len() - 2..], [format!("shallow {head}"), "0000".to_owned()]);
    let v1 = lines(&advertise(Version::V1, &world.refs(), &[]));
    assert_eq!(v1[2], "version 1");
    assert_eq!(v1[3..], v0[2..]);
    let empty = lines(&advertise(Version::V0, &Refs::default(), &[]));
    assert!(empty[2].starts_with("0000000000000000000000000000000000000000 capabilities^{}\0multi_ack "));
    assert!(!empty[2].contains("symref"));
}

#[test]
fn the_protocol_header_is_read_as_git_reads_it() {
    for (header, version) in [
        (None, Version::V0),
        (Some(""), Version::V0),
        (Some("version=0"), Version::V0),
        (Some("version=1"), Version::V1),
        (Some("version=2"), Version::V2),
        (Some("key=value:version=2"), Version::V2),
        (Some("version=1:version=2"), Version::V2),
        (Some("version=3"), Version::V0),
        (Some("version=22"), Version::V0),
    ] {
        assert_eq!(Version::from_header(header), version, "{header:?}");
    }
}

#[test]
fn only_git_itself_since_1_9_is_trusted_to_read_a_boundary() {
    for (agent, reads) in [
        (Some("git/2.47.3"), true),
        (Some("git/2.39.5 (Apple Git-154)"), true),
        (Some("git/2.45.1.windows.1"), true),
        (Some("git/1.9.0"), true),
        (Some("git/1.9-rc1"), true),
        (Some("git/10.0"), true),
        (Some("git/1.8.5.6"), false),
        (Some("git/1.7.1"), false),
        (Some("git/2"), false),
        (Some("git/99999999999.1"), false),
        (Some("git/2.0 (libgit2 1.9.0)"), false),
        (Some("git/dulwich/1.2.21"), false),
        (Some("git/isomorphic-git@1.30.1"), false),
        (Some("go-git/5.x"), false),
        (Some("JGit/7.1.0"), false),
        (Some(""), false),
        (None, false),
    ] {
        assert_eq!(reads_boundary(agent), reads, "{agent:?}");
    }
}

#[test]
fn refs_are_listed_by_prefix_and_a_branch_not_yet_born_by_name() {
    let refs = bought().refs();
    let head = refs.head.unwrap();
    let all = LsRefs { symrefs: true, unborn: true, peel: true, ref_prefixes: Vec::new() };
    let expected = [
        format!("{head} HEAD symref-target:refs/heads/main"),
        format!("{head} refs/heads/main"),
        "0000".to_owned(),
    ];
    assert_eq!(lines(&ls_refs(&all, &refs)), expected);
    let branches = LsRefs { ref_prefixes: vec!["refs/heads/".to_owned()], ..all.clone() };
    assert_eq!(lines(&ls_refs(&branches, &refs)), expected[1..]);
    assert_eq!(
        lines(&ls_refs(&all, &Refs::default())),
        ["unborn HEAD symref-target:refs/heads/main", "0000"]
    );
    assert_eq!(lines(&ls_refs(&LsRefs::default(), &Refs::default())), ["0000"]);
}

#[test]
fn a_v0_request_that_ends_after_the_wants_gets_the_boundary_alone() {
    let mut world = bought();
    let tip = world.tip();
    let reply = ask_v0(&mut world, &[&format!("want {tip} multi_ack_detailed no-done"), "deepen 1", "0000"]);
    assert_eq!(reply, [format!("shallow {tip}"), "0000".to_owned()]);
    let request = body(&[&format!("want {tip}"), "deepen 1", "0000"]);
    let bytes = fetch(&mut world, &parse_v0(&request, &Limits::default()).unwrap());
    assert_eq!(bytes, format!("0034shallow {tip}0000"), "libgit2 fails on a line feed in there");
    assert_eq!(ask_v0(&mut world, &[&format!("want {tip}"), "0000"]), [""; 0]);
    assert_eq!(ask_v0(&mut world, &["0000"]), [""; 0]);
}

#[test]
fn the_three_dialects_of_acknowledgement_are_spoken() {
    let mut world = bought();
    let (old, tip) = (world.steps()[0], world.tip());
    let want = |capabilities: &str| format!("want {tip}{capabilities}");
    let (have, other) = (format!("have {old}"), format!("have {UNKNOWN}"));
    let mut ask = |capabilities: &str, rest: &[&str]| {
        ask_v0(&mut world, &[&[want(capabilities).as_str(), "0000"], rest].concat())
    };
    // None: what clients of few words use.
    assert_eq!(ask("", &["done"]), ["NAK", "PACK"]);
    assert_eq!(ask("", &[&other, "0000"]), ["NAK"]);
    assert_eq!(ask("", &[&other, &have, "0000"]), [format!("ACK {old}")]);
    assert_eq!(ask("", &[&have, "done"]), [format!("ACK {old}"), "PACK".to_owned()]);
    // multi_ack
    let multi = " multi_ack";
    assert_eq!(ask(multi, &[&have, "0000"]), [format!("ACK {old} continue"), "NAK".to_owned()]);
    let done = [format!("ACK {old} continue"), format!("ACK {old}"), "PACK".to_owned()];
    assert_eq!(ask(multi, &[&have, "done"]), done);
    assert_eq!(ask(multi, &[&other, "done"]), ["NAK", "PACK"]);
    // multi_ack_detailed, with and without no-done
    let detailed = " multi_ack_detailed";
    let ready = [format!("ACK {old} common"), format!("ACK {old} ready"), "NAK".to_owned()];
    assert_eq!(ask(detailed, &[&have, "0000"]), ready);
    assert_eq!(ask(detailed, &[&other, "0000"]), ["NAK"]);
    let at_once = [&ready[..], &[format!("ACK {old}"), "PACK".to_owned()]].concat();
    assert_eq!(ask(" multi_ack_detailed no-done", &[&have, "0000"]), at_once);
    let finally = [format!("ACK {old} common"), format!("ACK {old}"), "PACK".to_owned()];
    assert_eq!(ask(detailed, &[&have, "done"]), finally);
}

#[test]
fn a_refusal_over_v0_is_said_where_each_client_shows_it() {
    let mut world = bought();
    let tip = world.tip();
    world.show("stub", &["stub"]);
    let words = format!(
        "upload-pack: not our ref {tip}; if your access has just changed, run the same command again"
    );
    let mut ask =
        |capabilities: &str| ask_v0(&mut world, &[&format!("want {tip} {capabilities}"), "0000", "done"]);
    let in_band = ["NAK".to_owned(), format!("\u{2}{words}"), format!("\u{3}{words}"), "0000".to_owned()];
    assert_eq!(ask("side-band-64k ofs-delta"), in_band, "libgit2 does not say who it is");
    assert_eq!(ask("side-band-64k agent=git/isomorphic-git@1.44.11"), in_band);
    assert_eq!(ask("side-band-64k agent=JGit/4.11.9"), in_band);
    assert_eq!(ask("side-band-64k agent=git/2.47.3"), [format!("ERR {words}")]);
    assert_eq!(ask("side-band-64k agent=git/1.8.5.6"), [format!("ERR {words}")]);
    assert_eq!(ask("agent=git/dulwich/1.2.21"), [format!("ERR {words}")], "there is no other place");
}

#[test]
fn a_v0_pack_comes_in_the_band_that_was_asked_for() {
    let mut world = bought();
    let tip = world.tip();
    for (band, end) in [("side-band", "0000"), ("side-band-64k", "0000"), ("side-band side-band-64k", "0000")]
    {
        let reply = ask_v0(&mut world, &[&format!("want {tip} {band}"), "0000", "done"]);
        assert_eq!(reply[..2], ["NAK", "(pack)"], "{band}");
        assert_eq!(reply.last().unwrap(), end);
    }
}

#[test]
fn v2_negotiation_acknowledges_then_says_ready_unless_told_to_wait() {
    let mut world = bought();
    let (old, tip) = (world.steps()[0], world.tip());
    let (want, have, other) = (format!("want {tip}"), format!("have {old}"), format!("have {UNKNOWN}"));
    assert_eq!(ask_v2(&mut world, &[&want, &other]), ["acknowledgments", "NAK", "0000"]);
    let ready = ["acknowledgments", &format!("ACK {old}"), "ready", "0001", "packfile", "(pack)", "0000"];
    assert_eq!(ask_v2(&mut world, &[&want, &other, &have]), ready);
    let waits = ["acknowledgments", &format!("ACK {old}"), "0000"];
    assert_eq!(ask_v2(&mut world, &[&want, &have, "wait-for-done"]), waits);
    // `fetch --negotiate-only` wants nothing but the acknowledgements.
    assert_eq!(ask_v2(&mut world, &[&have, "wait-for-done"]), waits);
    assert_eq!(ask_v2(&mut world, &[&want, &have, "done"]), ["packfile", "(pack)", "0000"]);
    assert_eq!(ask_v2(&mut world, &["done"]), [""; 0]);
}

#[test]
fn a_root_alone_is_common_but_does_not_end_the_search_for_a_step() {
    let mut world = bought();
    let (root, tip) = (world.root("r1"), world.tip());
    let reply = ask_v2(&mut world, &[&format!("want {tip}"), &format!("have {root}")]);
    assert_eq!(reply, ["acknowledgments", &format!("ACK {root}"), "0000"]);
}

#[test]
fn a_fresh_v2_clone_is_told_a_boundary_only_where_a_step_may_not_be_sent() {
    let mut world = bought();
    let tip = world.tip();
    let reply = ask_v2(&mut world, &[&format!("want {tip}"), "done"]);
    assert_eq!(reply, ["packfile", "(pack)", "0000"], "every step is permitted");
    assert!(world.steps().iter().all(|step| world.sent[0].contains(step)));
    world.show("r2", &["stub", "r2"]);
    let tip = world.tip();
    let reply = ask_v2(&mut world, &[&format!("want {tip}"), "done"]);
    assert_eq!(reply[..4], ["shallow-info", &format!("shallow {tip}"), "0001", "packfile"]);
    assert!(reply[4].starts_with("\u{2}Earlier versions are not included"), "{reply:?}");
    assert_eq!(reply[5..], ["(pack)", "0000"]);
    let mut world = World::new(true, "stub");
    let only = world.tip();
    let reply = ask_v2(&mut world, &[&format!("want {only}"), "done"]);
    assert_eq!(reply, ["packfile", "(pack)", "0000"], "a commit without parents is no boundary");
}

#[test]
fn a_client_that_has_commits_is_never_given_a_boundary_it_did_not_ask_for() {
    let mut world = bought();
    let request = [format!("want {}", world.tip()), format!("have {UNKNOWN}"), "done".to_owned()];
    let request: Vec<_> = request.iter().map(String::as_str).collect();
    assert_eq!(ask_v2(&mut world, &request), ["packfile", "(pack)", "0000"]);
    world.show("stub", &["stub"]);
    let want = format!("want {}", world.tip());
    let reply = ask_v2(&mut world, &[&want, request[1], "done"]);
    assert!(reply[0].starts_with("ERR ") && reply[0].contains("clone this repository again"), "{reply:?}");
}

#[test]
fn a_boundary_that_the_client_names_is_as_good_as_a_have() {
    let mut world = bought();
    let old = format!("shallow {}", world.tip());
    // As `fetch --refetch` asks: everything again, but with the boundary kept.
    world.show("r2", &["stub", "r1", "r2"]);
    let want = format!("want {}", world.tip());
    assert_eq!(ask_v2(&mut world, &[&want, &old, "done"]), ["packfile", "(pack)", "0000"]);
    assert!(world.sent[0].contains(&world.steps()[1]) && !world.sent[0].contains(&world.steps()[0]));
    world.show("r2", &["r2"]);
    assert_eq!(ask_v2(&mut world, &[&want, &old, "done"]), ["packfile", "(pack)", "0000"]);
    assert!(!world.sent[1].contains(&world.steps()[1]));
}

#[test]
fn refs_wanted_by_name_are_told_with_their_ids() {
    let mut world = bought();
    let tip = world.tip();
    let reply = ask_v2(&mut world, &["want-ref HEAD", "want-ref refs/heads/main", "deepen 1", "done"]);
    let expected = [
        "shallow-info".to_owned(),
        format!("shallow {tip}"),
        "0001".to_owned(),
        "wanted-refs".to_owned(),
        format!("{tip} HEAD"),
        format!("{tip} refs/heads/main"),
        "0001".to_owned(),
        "packfile".to_owned(),
        "(pack)".to_owned(),
        "0000".to_owned(),
    ];
    assert_eq!(reply, expected);
    let unknown = ask_v2(&mut world, &["want-ref refs/heads/other", "done"]);
    assert_eq!(unknown, ["ERR upload-pack: unknown ref refs/heads/other"]);
}

#[test]
fn a_name_to_stop_at_must_exist() {
    let mut world = bought();
    world.tag("stub");
    let tip = world.tip();
    let want = format!("want {tip}");
    let reply = ask_v2(&mut world, &[&want, "deepen-not v-stub", "done"]);
    assert_eq!(reply[1], format!("shallow {tip}"));
    let reply = ask_v2(&mut world, &[&want, "deepen-not nowhere", "done"]);
    assert_eq!(reply, ["ERR upload-pack: deepen-not is not a ref: nowhere"]);
}

#[test]
fn the_hot_path_needs_no_history() {
    let refs = bought().refs();
    let tip = refs.head.unwrap();
    let needs = |arguments: &[&str]| {
        let request = [&["command=fetch", "0001"], arguments, &["0000"]].concat();
        let Command::Fetch(request) = parse_v2(&body(&request), &Limits::default()).unwrap() else {
            panic!("a fetch is asked")
        };
        request.needs_history(&refs, true)
    };
    let want = format!("want {tip}");
    assert!(!needs(&[&want, "deepen 1", "done"]));
    assert!(needs(&[&want, "done"]), "a clone without a depth gets all steps");
    assert!(!needs(&[&want, "deepen 1", "filter blob:none", "done"]));
    assert!(needs(&[&want, "filter blob:none", "done"]), "a partial clone gets all steps");
    assert!(needs(&[&want, &format!("have {tip}")]));
    assert!(needs(&[&want, &format!("shallow {tip}"), "done"]));
    assert!(needs(&[&format!("want {}", ObjectId::from_hex(UNKNOWN.as_bytes()).unwrap()), "done"]));
}
