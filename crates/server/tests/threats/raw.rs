//! Bytes on a socket, as no well-behaved client sends them.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use skaas_testkit::process::Server;
use socket2::{Domain, Socket, Type};

use crate::story::Person;

/// How long a test waits for what has to happen.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A socket that takes at most about so many bytes ahead of its reader.
pub(crate) fn narrow(port: u16, ahead: usize) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(ahead).unwrap();
    socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

pub(crate) fn open(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

/// A connection from another address of loopback.
pub(crate) fn open_from(port: u16, from: [u8; 4]) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::from(from), 0)).into()).unwrap();
    socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()).unwrap();
    TcpStream::from(socket)
}

/// The header that lets somebody in, with its line's end.
pub(crate) fn authorization(who: &Person) -> String {
    let pair = BASE64_STANDARD.encode(format!("{}:{}", who.name, who.token));
    format!("authorization: Basic {pair}\r\n")
}

/// A v2 fetch of one commit, whole.
pub(crate) fn fetch_of(commit: &str) -> String {
    let line = |text: &str| format!("{:04x}{text}", text.len() + 4);
    [
        line("command=fetch\n"),
        "0001".into(),
        line("no-progress\n"),
        line(&format!("want {commit}\n")),
        line("done\n"),
        "0000".into(),
    ]
    .concat()
}

/// The head and body of a POST of a fetch.
pub(crate) fn fetch_request(who: &Person, path: &str, commit: &str) -> String {
    let body = fetch_of(commit);
    format!(
        "POST /{path}/git-upload-pack HTTP/1.1\r\nhost: h\r\n{}git-protocol: version=2\r\n\
         content-type: application/x-git-upload-pack-request\r\ncontent-length: {}\r\n\r\n{body}",
        authorization(who),
        body.len()
    )
}

/// Reads until the other side closes; how long that took. Panics when it never does.
pub(crate) fn until_closed(mut stream: TcpStream) -> (Vec<u8>, Duration) {
    let began = Instant::now();
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return (read, began.elapsed()),
            Ok(count) => read.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                return (read, began.elapsed());
            }
            Err(error) => panic!("not closed after {:?}: {error}", began.elapsed()),
        }
    }
}

/// Sends bytes and reads one answer's status line and all that comes before the connection ends or falls
/// silent.
pub(crate) fn exchange(port: u16, bytes: &[u8]) -> String {
    let mut stream = open(port);
    // It may be refused, and closed, before all of it is sent.
    let _ = stream.write_all(bytes);
    stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    let (mut read, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(count) = stream.read(&mut piece) {
        if count == 0 {
            break;
        }
        read.extend_from_slice(&piece[..count]);
    }
    String::from_utf8_lossy(&read).into_owned()
}

/// The status of the first answer in what was read; 0 when there is none.
pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// The value of a metric without labels, or the sum over its labels.
pub(crate) fn metric(server: &Server, name: &str) -> i64 {
    let text = skaas_testkit::wire::Connection::open(server.port()).get("/metrics").text();
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with([' ', '{']).then(|| rest.rsplit(' ').next()?.parse::<i64>().ok())?
    });
    values.sum()
}

/// Waits for something that has to become true.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_true() {
        assert!(began.elapsed() < LONG, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Kilobytes that a process held in memory at most, ever.
pub(crate) fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
