//! One kept-alive HTTP/1.1 connection, by hand: what a test wants to know about a connection, no
//! library hides.
//!
//! Owns: writing a request and reading exactly one answer. Refuses: redirects, retries, pools.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::process::{PAUSE, TRIES};

/// An answer, read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, without chunk framing.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Status, headers and body, without what differs between two equal answers by nature.
    pub fn comparable(&self) -> (u16, Vec<(String, String)>, String) {
        let volatile = |name: &str| matches!(name, "date" | "x-request-id");
        let headers = self.headers.iter().filter(|(name, _)| !volatile(name)).cloned().collect();
        (self.status, headers, self.text())
    }
}

/// A connection to a server on loopback.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
    authorization: Option<String>,
}

impl Connection {
    /// Connects without credentials.
    ///
    /// # Panics
    /// If nobody listens.
    #[track_caller]
    pub fn open(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the server accepts connections");
        Self { stream: BufReader::new(stream), authorization: None }
    }

    /// Connects to a program that may be about to listen.
    ///
    /// # Panics
    /// If nobody listens within seconds.
    #[track_caller]
    pub fn open_soon(port: u16) -> Self {
        for _ in 0..TRIES {
            if let Ok(stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                return Self { stream: BufReader::new(stream), authorization: None };
            }
            std::thread::sleep(PAUSE);
        }
        panic!("nobody listens at port {port}");
    }

    /// Sends Basic credentials with every request from now on.
    #[must_use]
    pub fn basic(mut self, username: &str, password: &str) -> Self {
        let pair = BASE64_STANDARD.encode(format!("{username}:{password}"));
        self.authorization = Some(format!("Basic {pair}"));
        self
    }

    /// Sends a Bearer token with every request from now on.
    #[must_use]
    pub fn bearer(mut self, token: &str) -> Self {
        self.authorization = Some(format!("Bearer {token}"));
        self
    }

    /// Sends a GET and reads the answer.
    ///
    /// # Panics
    /// If the connection breaks before the answer's end.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    /// Sends a request and reads the answer.
    ///
    /// # Panics
    /// If the connection breaks before the answer's end.
    #[track_caller]
    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n");
        if let Some(authorization) = &self.authorization {
            write!(head, "authorization: {authorization}\r\n").expect("a string takes text");
        }
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").expect("a string takes text");
        }
        if !body.is_empty() {
            write!(head, "content-length: {}\r\n", body.len()).expect("a string takes text");
        }
        head.push_str("\r\n");
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes()).expect("the connection takes a request");
        stream.write_all(body).expect("the connection takes a body");
        self.answer()
    }

    #[track_caller]
    fn answer(&mut self) -> Answer {
        let first = self.line();
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {first:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        if answer.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
            answer.body = self.chunks();
        } else if let Some(length) = answer.header("content-length") {
            let length = length.parse().expect("a content length is a number");
            answer.body = self.bytes(length);
        }
        answer
    }

    #[track_caller]
    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let size = self.line();
            let size = usize::from_str_radix(size.trim(), 16).expect("a chunk size is hexadecimal");
            body.extend(self.bytes(size));
            self.line();
            if size == 0 {
                return body;
            }
        }
    }

    #[track_caller]
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).expect("the answer is complete");
        bytes
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("the answer is text");
        line.trim_end_matches(['\r', '\n']).to_owned()
    }
}
