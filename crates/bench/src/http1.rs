//! Owns just enough HTTP/1.1 to find where a message ends, on either side of a connection. Refuses to
//! understand what a message says.

use std::io::{self, Read};

use anyhow::{Context as _, Result, bail};

/// Large enough that reading costs the generator little, small enough to stay in the cache.
const BUFFER: usize = 256 * 1024;

/// How the end of a body is found (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
}

/// The first lines of a message, as they came.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// With the empty line at its end.
    pub(crate) bytes: Vec<u8>,
    pub(crate) framing: Framing,
}

impl Head {
    fn parse(bytes: Vec<u8>) -> Result<Self> {
        let text = std::str::from_utf8(&bytes).context("a head is ASCII")?;
        let mut framing = Framing::Length(0);
        for line in text.split("\r\n").skip(1) {
            let Some((name, value)) = line.split_once(':') else { continue };
            if name.eq_ignore_ascii_case("transfer-encoding") {
                framing = Framing::Chunked;
            } else if name.eq_ignore_ascii_case("content-length") && framing != Framing::Chunked {
                framing = Framing::Length(value.trim().parse().context("a length is a number")?);
            }
        }
        Ok(Self { bytes, framing })
    }

    fn first_line(&self) -> &str {
        let end = self.bytes.iter().position(|byte| *byte == b'\r').unwrap_or(self.bytes.len());
        std::str::from_utf8(&self.bytes[..end]).unwrap_or_default()
    }

    /// The status of an answer.
    pub(crate) fn status(&self) -> Result<u16> {
        let line = self.first_line();
        let code = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        code.with_context(|| format!("no status in {line:?}"))
    }

    /// Method and target of a request.
    pub(crate) fn method_and_target(&self) -> (&str, &str) {
        let mut words = self.first_line().split(' ');
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }

    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let text = std::str::from_utf8(&self.bytes).ok()?;
        text.split("\r\n")
            .filter_map(|line| line.split_once(':'))
            .find_map(|(field, value)| field.eq_ignore_ascii_case(name).then(|| value.trim()))
    }
}

/// Reads one message after the other from a connection.
pub(crate) struct Messages<R> {
    from: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl<R: Read> Messages<R> {
    pub(crate) fn new(from: R) -> Self {
        Self { from, buffer: vec![0; BUFFER], start: 0, end: 0 }
    }

    /// Reads more behind what is left; how many bytes came.
    fn fill(&mut self) -> io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let read = self.from.read(&mut self.buffer[self.end..])?;
        self.end += read;
        Ok(read)
    }

    /// The next head; `None` where the other side ended between two messages.
    pub(crate) fn head(&mut self) -> Result<Option<Head>> {
        loop {
            let ready = &self.buffer[self.start..self.end];
            if let Some(at) = ready.windows(4).position(|four| four == b"\r\n\r\n") {
                let bytes = ready[..at + 4].to_vec();
                self.start += at + 4;
                return Head::parse(bytes).map(Some);
            }
            if ready.len() >= BUFFER / 2 {
                bail!("a head of more than {} bytes", BUFFER / 2);
            }
            let was_empty = ready.is_empty();
            if self.fill()? == 0 {
                return if was_empty { Ok(None) } else { bail!("the connection ended within a head") };
            }
        }
    }

    /// Reads a body to its end, giving its content without chunk lines to `content`, and every byte as it
    /// came to `wire`. Returns the length of the content.
    pub(crate) fn body(
        &mut self,
        framing: Framing,
        content: &mut dyn FnMut(&[u8]),
        wire: &mut dyn FnMut(&[u8]),
    ) -> Result<u64> {
        match framing {
            Framing::Length(length) => {
                self.pass(length, &mut |piece| {
                    content(piece);
                    wire(piece);
                })?;
                Ok(length)
            }
            Framing::Chunked => self.chunks(content, wire),
        }
    }

    fn chunks(&mut self, content: &mut dyn FnMut(&[u8]), wire: &mut dyn FnMut(&[u8])) -> Result<u64> {
        let mut total = 0;
        loop {
            let line = self.line()?;
            wire(&line);
            let digits = std::str::from_utf8(&line)?.trim_end();
            let digits = digits.split(';').next().unwrap_or_default();
            let length =
                u64::from_str_radix(digits, 16).with_context(|| format!("no chunk length: {digits:?}"))?;
            self.pass(length, &mut |piece| {
                content(piece);
                wire(piece);
            })?;
            let end = self.line()?;
            wire(&end);
            total += length;
            if length == 0 {
                // Trailers are sent by none of the servers measured here.
                return if end == b"\r\n" { Ok(total) } else { bail!("a trailer field came") };
            }
        }
    }

    /// A line with its end.
    fn line(&mut self) -> Result<Vec<u8>> {
        loop {
            let ready = &self.buffer[self.start..self.end];
            if let Some(at) = ready.iter().position(|byte| *byte == b'\n') {
                let line = ready[..=at].to_vec();
                self.start += at + 1;
                return Ok(line);
            }
            if self.fill()? == 0 {
                bail!("the connection ended within a line");
            }
        }
    }

    fn pass(&mut self, mut length: u64, to: &mut dyn FnMut(&[u8])) -> Result<()> {
        while length > 0 {
            if self.start == self.end && self.fill()? == 0 {
                bail!("the connection ended {length} bytes before the end of a body");
            }
            let here = (self.end - self.start).min(usize::try_from(length).unwrap_or(usize::MAX));
            to(&self.buffer[self.start..self.start + here]);
            self.start += here;
            length -= here as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes one at a time: the hardest way to split messages.
    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            to[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    fn body(messages: &mut Messages<Drops<'_>>, framing: Framing) -> (Vec<u8>, Vec<u8>) {
        let (mut content, mut wire) = (Vec::new(), Vec::new());
        let mut keep = |piece: &[u8]| content.extend_from_slice(piece);
        messages.body(framing, &mut keep, &mut |piece| wire.extend_from_slice(piece)).unwrap();
        (content, wire)
    }

    #[test]
    fn messages_are_told_apart_by_length_and_by_chunks_however_they_are_split() {
        let text = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno\
            HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\n\r\n\
            POST /a HTTP/1.1\r\nHost: h\r\n\r\n";
        let mut messages = Messages::new(Drops(text));
        let first = messages.head().unwrap().unwrap();
        assert_eq!((first.status().unwrap(), first.framing), (401, Framing::Length(2)));
        assert_eq!(body(&mut messages, first.framing).0, b"no");
        let second = messages.head().unwrap().unwrap();
        let (content, wire) = body(&mut messages, second.framing);
        assert_eq!(content, b"abcd");
        assert_eq!(wire, b"3;x=y\r\nabc\r\n1\r\nd\r\n0\r\n\r\n");
        let third = messages.head().unwrap().unwrap();
        assert_eq!((third.method_and_target(), third.field("host")), (("POST", "/a"), Some("h")));
        assert!(messages.head().unwrap().is_none());
    }

    #[test]
    fn a_body_cut_short_is_an_error() {
        let mut messages = Messages::new(Drops(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"));
        let head = messages.head().unwrap().unwrap();
        assert!(messages.body(head.framing, &mut |_| {}, &mut |_| {}).is_err());
    }
}
