//! Requests that are no requests, or too much of one: refused, bounded, and the server goes on.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use skaas_testkit::wire::Connection;

use crate::raw::{authorization, exchange, open, peak_kib, status, until_closed};
use crate::story::{House, SKILL, refs};

const MIB: usize = 1 << 20;

#[test]
fn a_body_without_end_is_cut_off_and_nothing_of_it_is_held() {
    let house = House::configured(&[], |i| i.with_variable("SKAAS_PUSH_MIB", "1"));
    let before = peak_kib(house.server.pid());
    for path in ["me/marketplace.git/git-upload-pack", "s/ann/endless.git/git-receive-pack"] {
        let mut stream = open(house.server.port());
        let head = format!(
            "POST /{path} HTTP/1.1\r\nhost: h\r\n{}transfer-encoding: chunked\r\n\r\n",
            authorization(&house.ann)
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut writer = stream.try_clone().unwrap();
        let sending = std::thread::spawn(move || {
            let chunk = [b"100000\r\n".as_slice(), &vec![b'0'; MIB], b"\r\n"].concat();
            (0..4096).take_while(|_| writer.write_all(&chunk).is_ok()).count()
        });
        let (answer, _) = until_closed(stream);
        let taken = sending.join().unwrap();
        assert!(taken < 64, "{path}: {taken} MiB were taken");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        // A client that goes on sending may see the connection reset instead of the words. A push that begins
        // with four zeros is git's probe.
        let told = status(&answer) == 413 || (status(&answer) == 200 && path.ends_with("receive-pack"));
        assert!(answer.is_empty() || told, "{path}: {answer}");
    }
    let grown = peak_kib(house.server.pid()).saturating_sub(before);
    assert!(grown < 48 * 1024, "{grown} KiB");
    assert_eq!(house.connect(&house.ann).get(&refs("me/marketplace.git")).status, 200);
}

#[test]
fn a_gzip_bomb_costs_no_memory_wherever_it_is_sent() {
    let house = House::configured(&[], |i| i.with_variable("SKAAS_PUSH_MIB", "8"));
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![b'0'; MIB];
    for _ in 0..1024 {
        bomb.write_all(&zeros).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 2 * MIB);
    let before = peak_kib(house.server.pid());
    for path in ["/me/marketplace.git/git-upload-pack", "/s/ann/bomb.git/git-receive-pack"] {
        for protocol in ["version=2", "version=0"] {
            let headers = [("content-encoding", "gzip"), ("git-protocol", protocol)];
            let answer = house.connect(&house.ann).send("POST", path, &headers, &bomb);
            // Of a push the first packet is an empty one: no push at all.
            assert!(matches!(answer.status, 400 | 413) || answer.body.is_empty(), "{path}: {answer:?}");
        }
    }
    let grown = peak_kib(house.server.pid()).saturating_sub(before);
    // Each request may inflate to a few megabytes, and the allocator keeps some of that for each thread.
    assert!(grown < 128 * 1024, "{grown} KiB for a gigabyte of zeros");
}

#[test]
fn many_large_requests_at_once_do_not_fill_the_memory() {
    let house = House::with(&[SKILL]);
    let bob = house.person("bob");
    let before = peak_kib(house.server.pid());
    let begun: Vec<_> = (0..60)
        .map(|_| {
            let mut stream = open(house.server.port());
            let head = format!(
                "POST /me/marketplace.git/git-upload-pack HTTP/1.1\r\nhost: h\r\n{}content-length: {}\r\n\r\n",
                authorization(&bob),
                4 * MIB
            );
            stream.write_all(head.as_bytes()).unwrap();
            // All but the end: each stays open, and what is not held is not taken off the wire.
            stream.set_write_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
            let _ = stream.write_all(&vec![b'0'; 4 * MIB - 1]);
            stream
        })
        .collect();
    let grown = peak_kib(house.server.pid()).saturating_sub(before);
    assert!(grown < 128 * 1024, "{grown} KiB for 60 requests of 4096 KiB");
    // Whoever else comes with much to say finds a place.
    let mut body = String::from("0012command=fetch\n0001");
    for number in 0..3000_u32 {
        writeln!(body, "0032have {number:040x}").unwrap();
    }
    body.push_str("0000");
    let headers = [("git-protocol", "version=2")];
    let path = "/me/marketplace.git/git-upload-pack";
    let answer = house.connect(&house.ann).send("POST", path, &headers, body.as_bytes());
    assert_ne!(answer.status, 503, "{answer:?}");
    let answer = house.connect(&bob).send("POST", path, &headers, body.as_bytes());
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    drop(begun);
}

#[test]
fn a_huge_list_of_wants_is_refused_within_bounds() {
    let house = House::with(&[SKILL]);
    let mut body = String::from("0012command=fetch\n0001");
    for number in 0..70_000_u32 {
        writeln!(body, "0032want {number:040x}").unwrap();
    }
    body.push_str("0009done\n0000");
    assert!(body.len() < 4 * MIB, "it passes the limit of the body");
    let before = peak_kib(house.server.pid());
    for path in ["/me/marketplace.git/git-upload-pack", "/me/skills/migration-guard.git/git-upload-pack"] {
        let headers = [("git-protocol", "version=2")];
        let answer = house.connect(&house.ann).send("POST", path, &headers, body.as_bytes());
        let said = answer.text();
        assert_eq!(answer.status, 400, "{said:.200}");
        assert!(!said.contains("PACK"));
    }
    let grown = peak_kib(house.server.pid()).saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB");
}

#[test]
fn no_request_hides_in_another() {
    let house = House::with(&[]);
    let key = authorization(&house.ann);
    let hidden = "GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n";
    let port = house.server.port();
    let begun = "POST /me/marketplace.git/git-upload-pack HTTP/1.1\r\nhost: h\r\n";
    for framing in [
        // RFC 9112, 6.3: two lengths, a length that is none, and a coding that hides the end.
        "content-length: 4\r\ncontent-length: 9\r\n".to_owned(),
        "content-length: 4, 9\r\n".to_owned(),
        "content-length: +4\r\n".to_owned(),
        "content-length: 0x4\r\n".to_owned(),
        "transfer-encoding: chunked, identity\r\n".to_owned(),
        "transfer-encoding: xchunked\r\n".to_owned(),
        "content-length : 4\r\n".to_owned(),
        "x: y\r\n content-length: 4\r\n".to_owned(),
    ] {
        let answer = exchange(port, format!("{begun}{key}{framing}\r\n0000{hidden}").as_bytes());
        assert_eq!(status(&answer), 400, "{framing:?}: {answer}");
        assert!(!answer.contains("ok\n"), "{framing:?}: the hidden one was answered: {answer}");
    }
    // Both at once: the coding counts alone, and what follows its end is a request of its own.
    let both = format!("{begun}{key}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n");
    let answer = exchange(port, both.as_bytes());
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
}

#[test]
fn heads_have_a_size_and_lines_an_end() {
    let house = House::with(&[]);
    let port = house.server.port();
    let long = "a".repeat(300 * 1024);
    let many: String = "x: y\r\n".repeat(5000);
    for request in [
        format!("GET /{long} HTTP/1.1\r\nhost: h\r\n\r\n"),
        format!("GET /me/marketplace.git/info/refs?{long} HTTP/1.1\r\nhost: h\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: h\r\nx: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: h\r\n{many}\r\n"),
        "GET /\0 HTTP/1.1\r\nhost: h\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: h\r\nx: a\0b\r\n\r\n".to_owned(),
    ] {
        let answer = exchange(port, request.as_bytes());
        let code = status(&answer);
        assert!(code == 0 || matches!(code, 400 | 414 | 431), "{request:.60}: {code}");
    }
    assert_eq!(Connection::open(port).get("/healthz").status, 200);
}

#[test]
fn malformed_packets_are_a_400_in_words() {
    let house = House::with(&[SKILL]);
    for body in [
        "",
        "0",
        "zzzz",
        "0003",
        "ffff",
        "0004",
        "0009done",
        "0001",
        "0002",
        "00020002",
        "0014command=ls-refs\n",
        "0015command=nothing\n0000",
        "0012command=fetch\n00010032want",
        "0012command=fetch\n0001000ewant zzzz\n0000",
        "0012command=fetch\n0001000fdeepen -1\n0000",
    ] {
        for (path, protocol) in [
            ("/me/marketplace.git/git-upload-pack", "version=2"),
            ("/me/skills/migration-guard/git-upload-pack", "version=0"),
            ("/s/ann/migration-guard/git-upload-pack", "version=2"),
            ("/s/ann/migration-guard/git-receive-pack", "version=0"),
        ] {
            let answer =
                house.connect(&house.ann).send("POST", path, &[("git-protocol", protocol)], body.as_bytes());
            // Nothing but a flush is a probe, and an empty body is one to protocol v2.
            assert!(answer.status == 400 || answer.status == 200, "{path} {body:?}: {}", answer.status);
            assert!(answer.status == 400 || !answer.text().contains("PACK"), "{path} {body:?}");
            assert!(answer.status == 200 || !answer.text().trim().is_empty());
        }
    }
    assert!(!house.server.log().contains("ERROR"), "{}", house.server.log());
}
