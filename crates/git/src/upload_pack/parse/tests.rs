use proptest::prelude::*;

use super::*;
use crate::pkt_line::{DELIM, PacketError, put_line};

const ID: &str = "1111111111111111111111111111111111111111";
const OTHER: &str = "2222222222222222222222222222222222222222";

/// A body: "0000" and "0001" stand for themselves.
fn body(lines: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        match *line {
            "0000" => out.extend_from_slice(FLUSH),
            "0001" => out.extend_from_slice(DELIM),
            line => put_line(&mut out, line),
        }
    }
    out
}

fn id(hex: &str) -> ObjectId {
    ObjectId::from_hex(hex.as_bytes()).unwrap()
}

fn v2(lines: &[&str]) -> Result<Command, ProtocolError> {
    parse_v2(&body(lines), &Limits::default())
}

fn v0(lines: &[&str]) -> Result<FetchRequest, ProtocolError> {
    parse_v0(&body(lines), &Limits::default())
}

fn fetch(arguments: &[&str]) -> Result<FetchRequest, ProtocolError> {
    match v2(&[&["command=fetch", "0001"], arguments, &["0000"]].concat())? {
        Command::Fetch(request) => Ok(*request),
        other => panic!("a fetch is asked, not {other:?}"),
    }
}

#[test]
fn what_an_agent_sends_for_a_clone_at_depth_1_is_read_whole() {
    let request = v2(&[
        "command=fetch",
        "agent=git/2.47.3",
        "object-format=sha1",
        "server-option=x",
        "0001",
        "thin-pack",
        "no-progress",
        "include-tag",
        "ofs-delta",
        "deepen 1",
        &format!("want {ID}"),
        &format!("want {ID}"),
        "done",
        "0000",
    ]);
    let expected = FetchRequest {
        version: Version::V2,
        wants: vec![id(ID)],
        done: true,
        deepen: Some(Deepen::Depth { depth: 1, relative: false }),
        thin_pack: true,
        no_progress: true,
        include_tag: true,
        ofs_delta: true,
        side_band: SideBand::Large,
        agent: Some("git/2.47.3".to_owned()),
        server_options: vec!["x".to_owned()],
        negotiating: true,
        ..FetchRequest::default()
    };
    assert_eq!(request, Ok(Command::Fetch(Box::new(expected))));
}

#[test]
fn a_v0_request_is_read_with_the_capabilities_of_its_first_line() {
    let first = format!(
        "want {ID} multi_ack_detailed no-done side-band-64k thin-pack ofs-delta deepen-relative agent=x"
    );
    let request = v0(&[
        &first,
        &format!("want {OTHER}"),
        &format!("shallow {OTHER}"),
        "deepen 3",
        "filter blob:none",
        "0000",
        &format!("have {OTHER}"),
        "done",
    ]);
    let expected = FetchRequest {
        wants: vec![id(ID), id(OTHER)],
        shallow: vec![id(OTHER)],
        haves: vec![id(OTHER)],
        done: true,
        deepen: Some(Deepen::Depth { depth: 3, relative: true }),
        filter: Some(parse_filter("blob:none").unwrap()),
        multi_ack: MultiAck::Detailed,
        no_done: true,
        thin_pack: true,
        ofs_delta: true,
        side_band: SideBand::Large,
        agent: Some("x".to_owned()),
        negotiating: true,
        ..FetchRequest::default()
    };
    assert_eq!(request, Ok(expected));
    assert_eq!(v0(&[&format!("want {ID} side-band"), "0000"]).unwrap().side_band, SideBand::Small);
    assert_eq!(v0(&[&format!("want {ID}"), "0000"]).unwrap().side_band, SideBand::None);
}

#[test]
fn ls_refs_is_read_with_and_without_arguments() {
    assert_eq!(v2(&["command=ls-refs", "0000"]), Ok(Command::LsRefs(LsRefs::default())));
    let asked = v2(&["command=ls-refs", "0001", "peel", "symrefs", "unborn", "ref-prefix HEAD", "0000"]);
    let expected = LsRefs { peel: true, symrefs: true, unborn: true, ref_prefixes: vec!["HEAD".to_owned()] };
    assert_eq!(asked, Ok(Command::LsRefs(expected)));
}

#[test]
fn the_probe_is_told_apart() {
    assert_eq!(parse_v2(b"0000", &Limits::default()), Ok(Command::Probe));
    assert!(parse_v0(b"0000", &Limits::default()).unwrap().wants.is_empty());
}

#[test]
fn ways_to_deepen_combine_as_in_git() {
    let excluding = Deepen::Excluding { since: Some(7), not: vec!["a".to_owned(), "b".to_owned()] };
    assert_eq!(fetch(&["deepen-not a", "deepen-since 7", "deepen-not b"]).unwrap().deepen, Some(excluding));
    let relative = Deepen::Depth { depth: 2, relative: true };
    assert_eq!(fetch(&["deepen-relative", "deepen 2"]).unwrap().deepen, Some(relative.clone()));
    assert_eq!(fetch(&["deepen 2", "deepen-relative"]).unwrap().deepen, Some(relative));
    assert_eq!(fetch(&["deepen 0"]).unwrap().deepen, None);
    assert!(fetch(&["deepen 2", "deepen-since 7"]).is_err());
    assert!(fetch(&["deepen-since 7", "deepen 2"]).is_err());
}

#[test]
fn filters_are_joined_or_named_when_they_are_not_served() {
    let request = fetch(&["filter blob:none", "filter tree:2"]).unwrap();
    assert_eq!(request.filter, Some(parse_filter("combine:blob:none+tree:2").unwrap()));
    let request = fetch(&["filter sparse:oid=\u{1b}main"]).unwrap();
    assert_eq!((request.filter, request.unsupported_filter.as_deref()), (None, Some("sparse:oid=main")));
}

#[test]
fn lines_that_do_not_belong_are_refused() {
    let short = &ID[1..];
    for arguments in [
        &["frobnicate"][..],
        &["want"],
        &["want "],
        &[&format!("want {short}")],
        &[&format!("want {ID}0")],
        &[&format!("want {ID} thin-pack")],
        &["want gggggggggggggggggggggggggggggggggggggggg"],
        &["have x"],
        &["deepen -1"],
        &["deepen x"],
        &["deepen 99999999999"],
        &["deepen-since "],
        &["sideband-all"],
        &["0001"],
    ] {
        assert!(matches!(fetch(arguments), Err(ProtocolError::UnexpectedLine(_))), "{arguments:?}");
    }
    for request in [
        &["command=push", "0000"][..],
        &["command=fetch", "command=fetch", "0000"],
        &["command=ls-refs", "0001", "what", "0000"],
        &["command=fetch", "0001", "0000", "0000"],
        &["command=fetch", "0001", "0000", "done"],
    ] {
        assert!(matches!(v2(request), Err(ProtocolError::UnexpectedLine(_))), "{request:?}");
    }
    let want = format!("want {ID}");
    for request in
        [&["done", "0000"][..], &[&want, "0001"], &[&want, "0000", &want], &[&want, "0000", "0001"]]
    {
        assert!(matches!(v0(request), Err(ProtocolError::UnexpectedLine(_))), "{request:?}");
    }
    assert!(v0(&[&want, &format!("want {OTHER} thin-pack"), "0000"]).is_err(), "capabilities come first");
}

#[test]
fn unfinished_and_unreadable_requests_are_refused() {
    let incomplete = |result| matches!(result, Err(ProtocolError::Incomplete(_)));
    assert!(incomplete(v2(&[]).map(drop)) && incomplete(v0(&[]).map(drop)));
    assert!(incomplete(v2(&["command=fetch"]).map(drop)));
    assert!(incomplete(v2(&["command=fetch", "0001", "done"]).map(drop)));
    assert!(incomplete(v2(&["agent=x", "0000"]).map(drop)));
    let want = format!("want {ID}");
    assert!(incomplete(v0(&[&want]).map(drop)));
    assert!(incomplete(v0(&[&want, "0000", &format!("have {ID}")]).map(drop)));
    assert_eq!(parse_v0(b"0032want", &Limits::default()), Err(PacketError::Truncated.into()));
    assert_eq!(
        v2(&["command=fetch", "object-format=sha256", "0001", "0000"]),
        Err(ProtocolError::ObjectFormat)
    );
    assert_eq!(v0(&[&format!("want {ID} object-format=sha256"), "0000"]), Err(ProtocolError::ObjectFormat));
    assert!(parse_v2(b"0005\xff0000", &Limits::default()).is_err());
}

#[test]
fn every_limit_holds() {
    let limits = Limits { body: 500, wants: 1, haves: 1, shallows: 1, names: 1 };
    let two = |key: &str, of: &'static str| {
        let lines = [format!("{key} {ID}"), format!("{key} {OTHER}")];
        let arguments = ["command=fetch", "0001", &lines[0], &lines[1], "0000"];
        assert_eq!(parse_v2(&body(&arguments), &limits), Err(ProtocolError::TooMany { of, limit: 1 }));
        assert!(parse_v2(&body(&["command=fetch", "0001", &lines[0], &lines[0], "0000"]), &limits).is_ok());
    };
    two("want", "wants");
    two("have", "haves");
    two("shallow", "boundaries");
    let names = |lines: &[&str], of| {
        assert_eq!(parse_v2(&body(lines), &limits), Err(ProtocolError::TooMany { of, limit: 1 }));
    };
    names(&["command=ls-refs", "0001", "ref-prefix a", "ref-prefix b", "0000"], "ref prefixes");
    names(&["command=fetch", "server-option=a", "server-option=b", "0001", "0000"], "server options");
    names(&["command=fetch", "0001", "deepen-not a", "deepen-not b", "0000"], "names");
    names(&["command=fetch", "0001", "want-ref a", "want-ref b", "0000"], "wants");
    let long = body(&["command=fetch", &"x".repeat(500), "0000"]);
    assert_eq!(parse_v2(&long, &limits), Err(ProtocolError::TooMany { of: "bytes", limit: 500 }));
    assert_eq!(parse_v0(&long, &limits), Err(ProtocolError::TooMany { of: "bytes", limit: 500 }));
}

proptest! {
    #[test]
    fn no_bytes_break_the_parsers(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse_v0(&bytes, &Limits::default());
        let _ = parse_v2(&bytes, &Limits::default());
    }

    #[test]
    fn no_lines_break_the_parsers(lines in proptest::collection::vec(
        prop_oneof![
            Just("0000".to_owned()), Just("0001".to_owned()), Just("command=fetch".to_owned()),
            Just("done".to_owned()), Just(format!("want {ID}")), Just(format!("have {ID}")),
            "(want|have|shallow|deepen|deepen-not|filter|ref-prefix) [0-9a-f:=%+]{0,42}",
        ],
        0..12,
    )) {
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let _ = v0(&lines);
        let _ = v2(&[&["command=fetch", "0001"], &lines[..]].concat());
    }
}
