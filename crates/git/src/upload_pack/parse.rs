//! Reading the bodies of upload-pack requests.
//!
//! Owns the grammar of gitprotocol-v2 and gitprotocol-pack, and the bounds on what is read. Refuses
//! unknown lines; ignores unknown capabilities, as the protocol asks.

use std::collections::HashSet;
use std::str::FromStr;

use gix_hash::ObjectId;

use super::filter::{both, parse_filter};
use super::{Command, Deepen, FetchRequest, LsRefs, MultiAck, ProtocolError, Version};
use crate::pkt_line::{FLUSH, Packet, Reader};
use crate::sideband::SideBand;

/// How much of a request is read. The defaults let a partial clone ask for every file of a large
/// checkout, and git name its 16 384 commits a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body, inflated.
    pub body: usize,
    /// `want` and `want-ref` lines.
    pub wants: usize,
    /// `have` lines.
    pub haves: usize,
    /// `shallow` lines.
    pub shallows: usize,
    /// Other lines: `ref-prefix`, `server-option`, `deepen-not`.
    pub names: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: 4 << 20, wants: 32_768, haves: 32_768, shallows: 8_192, names: 4_096 }
    }
}

/// Reads a body posted with `Git-Protocol: version=2`.
///
/// # Errors
/// When it is not a request of that protocol, or beyond `limits`: status 400.
pub fn parse_v2(body: &[u8], limits: &Limits) -> Result<Command, ProtocolError> {
    bound("bytes", body.len(), limits.body)?;
    if body == FLUSH {
        return Ok(Command::Probe);
    }
    let mut lines = Lines::new(body);
    let mut header = Header::default();
    let end = lines.each(|line| header.read(line, limits))?;
    let arguments = match end {
        End::Delim => Some(&mut lines),
        End::Flush => None,
    };
    match header.command.as_deref() {
        Some("ls-refs") => parse_ls_refs(arguments, limits).map(Command::LsRefs),
        Some("fetch") => parse_fetch(arguments, limits, header).map(|fetch| Command::Fetch(Box::new(fetch))),
        Some(other) => Err(ProtocolError::UnexpectedLine(clean(&format!("command={other}")))),
        None => Err(ProtocolError::Incomplete("it names no command")),
    }
}

/// Reads a body posted without that header, or with `version=1`; the caller puts the version right
/// where it matters to it.
///
/// # Errors
/// As [`parse_v2`].
pub fn parse_v0(body: &[u8], limits: &Limits) -> Result<FetchRequest, ProtocolError> {
    bound("bytes", body.len(), limits.body)?;
    let mut request = FetchRequest { side_band: SideBand::None, ..FetchRequest::default() };
    let mut seen = Seen::default();
    let mut lines = Lines::new(body);
    let mut first = true;
    let end = lines.each(|line| {
        let line = match line.strip_prefix("want ").and_then(|want| want.split_once([' ', '\0'])) {
            Some((id, capabilities)) if first => {
                read_capabilities(capabilities, &mut request, &mut seen)?;
                line.get(.."want ".len() + id.len()).expect("a prefix of the line")
            }
            _ => line,
        };
        first = false;
        read_need(line, &mut request, &mut seen, limits)
    })?;
    if end == End::Delim {
        return Err(ProtocolError::UnexpectedLine("0001".to_owned()));
    }
    seen.finish(&mut request);
    request.negotiating = !lines.at_end();
    if request.negotiating {
        read_haves(&mut lines, &mut request, &mut seen, limits)?;
    }
    Ok(request)
}

/// The second part of a v0 request: `have` lines up to a flush, which asks for an answer, or `done`.
fn read_haves(
    lines: &mut Lines<'_>,
    request: &mut FetchRequest,
    seen: &mut Seen,
    limits: &Limits,
) -> Result<(), ProtocolError> {
    loop {
        match lines.next()? {
            Line::Text("done") => {
                request.done = true;
                return Ok(());
            }
            Line::Text(line) => {
                let id = line.strip_prefix("have ").ok_or_else(|| unexpected(line))?;
                seen.have(id, line, request, limits)?;
            }
            // A stateless server answers at the first flush, whatever may follow it.
            Line::End(End::Flush) => return Ok(()),
            Line::End(End::Delim) => return Err(ProtocolError::UnexpectedLine("0001".to_owned())),
        }
    }
}

/// What stands before the delimiter of a v2 request.
#[derive(Default)]
struct Header {
    command: Option<String>,
    agent: Option<String>,
    server_options: Vec<String>,
}

impl Header {
    fn read(&mut self, line: &str, limits: &Limits) -> Result<(), ProtocolError> {
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        match key {
            "command" if self.command.is_some() => Err(unexpected(line)),
            "command" => {
                self.command = Some(value.to_owned());
                Ok(())
            }
            "agent" => {
                self.agent = Some(clean(value));
                Ok(())
            }
            "object-format" if value != "sha1" => Err(ProtocolError::ObjectFormat),
            "server-option" => {
                push("server options", &mut self.server_options, value.to_owned(), limits.names)
            }
            _ => Ok(()),
        }
    }
}

fn parse_ls_refs(arguments: Option<&mut Lines<'_>>, limits: &Limits) -> Result<LsRefs, ProtocolError> {
    let mut request = LsRefs::default();
    let Some(lines) = arguments else { return Ok(request) };
    lines.rest(|line| {
        match line {
            "peel" => request.peel = true,
            "symrefs" => request.symrefs = true,
            "unborn" => request.unborn = true,
            _ => {
                let prefix = line.strip_prefix("ref-prefix ").ok_or_else(|| unexpected(line))?;
                push("ref prefixes", &mut request.ref_prefixes, prefix.to_owned(), limits.names)?;
            }
        }
        Ok(())
    })?;
    Ok(request)
}

fn parse_fetch(
    arguments: Option<&mut Lines<'_>>,
    limits: &Limits,
    header: Header,
) -> Result<FetchRequest, ProtocolError> {
    let mut request = FetchRequest {
        version: Version::V2,
        side_band: SideBand::Large,
        agent: header.agent,
        server_options: header.server_options,
        negotiating: true,
        ..FetchRequest::default()
    };
    let mut seen = Seen::default();
    let Some(lines) = arguments else { return Ok(request) };
    lines.rest(|line| {
        match line {
            "done" => request.done = true,
            "thin-pack" => request.thin_pack = true,
            "no-progress" => request.no_progress = true,
            "include-tag" => request.include_tag = true,
            "ofs-delta" => request.ofs_delta = true,
            "wait-for-done" => request.wait_for_done = true,
            "deepen-relative" => seen.relative = true,
            _ => match line.split_once(' ') {
                Some(("have", id)) => seen.have(id, line, &mut request, limits)?,
                Some(("want-ref", name)) => {
                    let room = limits.wants.saturating_sub(request.wants.len());
                    push("wants", &mut request.want_refs, name.to_owned(), room)?;
                }
                _ => read_need(line, &mut request, &mut seen, limits)?,
            },
        }
        Ok(())
    })?;
    seen.finish(&mut request);
    Ok(request)
}

/// Ids already read, so that each is kept once, and the one flag that modifies another line.
#[derive(Default)]
struct Seen {
    wants: HashSet<ObjectId>,
    haves: HashSet<ObjectId>,
    shallows: HashSet<ObjectId>,
    relative: bool,
}

impl Seen {
    fn have(
        &mut self,
        id: &str,
        line: &str,
        request: &mut FetchRequest,
        limits: &Limits,
    ) -> Result<(), ProtocolError> {
        push_id("haves", &mut self.haves, &mut request.haves, (id, line), limits.haves)
    }

    fn finish(&self, request: &mut FetchRequest) {
        if let Some(Deepen::Depth { relative, .. }) = &mut request.deepen {
            *relative = self.relative;
        }
    }
}

/// The lines that v2 and v0 share.
fn read_need(
    line: &str,
    request: &mut FetchRequest,
    seen: &mut Seen,
    limits: &Limits,
) -> Result<(), ProtocolError> {
    let (key, value) = line.split_once(' ').ok_or_else(|| unexpected(line))?;
    match key {
        "want" => push_id("wants", &mut seen.wants, &mut request.wants, (value, line), limits.wants),
        "shallow" => {
            push_id("boundaries", &mut seen.shallows, &mut request.shallow, (value, line), limits.shallows)
        }
        "filter" => {
            match parse_filter(value) {
                Ok(filter) => request.filter = Some(both(request.filter.unwrap_or_default(), filter)),
                Err(_) => request.unsupported_filter = Some(clean(value)),
            }
            Ok(())
        }
        "deepen" | "deepen-since" | "deepen-not" => read_deepen(key, value, line, request, limits),
        _ => Err(unexpected(line)),
    }
}

fn read_deepen(
    key: &str,
    value: &str,
    line: &str,
    request: &mut FetchRequest,
    limits: &Limits,
) -> Result<(), ProtocolError> {
    if key == "deepen" {
        let depth = number(value).ok_or_else(|| unexpected(line))?;
        if request.deepen.is_some() {
            return Err(unexpected(line));
        }
        // Zero is how older clients say that they do not deepen.
        request.deepen = (depth > 0).then_some(Deepen::Depth { depth, relative: false });
        return Ok(());
    }
    let excluding = Deepen::Excluding { since: None, not: Vec::new() };
    let Deepen::Excluding { since, not } = request.deepen.get_or_insert(excluding) else {
        return Err(unexpected(line));
    };
    if key == "deepen-not" {
        return push("names", not, value.to_owned(), limits.names);
    }
    *since = Some(number(value).ok_or_else(|| unexpected(line))?);
    Ok(())
}

/// The capabilities after the first `want` of v0.
fn read_capabilities(text: &str, request: &mut FetchRequest, seen: &mut Seen) -> Result<(), ProtocolError> {
    for capability in text.split([' ', '\0']) {
        match capability {
            "multi_ack" if request.multi_ack == MultiAck::None => request.multi_ack = MultiAck::Plain,
            "multi_ack_detailed" => request.multi_ack = MultiAck::Detailed,
            "no-done" => request.no_done = true,
            "thin-pack" => request.thin_pack = true,
            "side-band" if request.side_band == SideBand::None => request.side_band = SideBand::Small,
            "side-band-64k" => request.side_band = SideBand::Large,
            "ofs-delta" => request.ofs_delta = true,
            "no-progress" => request.no_progress = true,
            "include-tag" => request.include_tag = true,
            "deepen-relative" => seen.relative = true,
            _ => {
                if let Some(agent) = capability.strip_prefix("agent=") {
                    request.agent = Some(clean(agent));
                }
                if capability.strip_prefix("object-format=").is_some_and(|format| format != "sha1") {
                    return Err(ProtocolError::ObjectFormat);
                }
            }
        }
    }
    Ok(())
}

/// What ends a section.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Flush,
    Delim,
}

enum Line<'a> {
    Text(&'a str),
    End(End),
}

/// Packets as lines of text.
struct Lines<'a> {
    packets: Reader<'a>,
    /// The whole body, if all of it is text, as it is whenever a request is well-formed: one look costs less than
    /// one at each line.
    text: Option<&'a str>,
}

impl<'a> Lines<'a> {
    fn new(body: &'a [u8]) -> Self {
        Self { packets: Reader::new(body), text: str::from_utf8(body).ok() }
    }

    fn at_end(&self) -> bool {
        self.packets.rest().is_empty()
    }

    /// `data`, which was just read, as text.
    fn text_of(&self, data: &'a [u8]) -> Option<&'a str> {
        let Some(text) = self.text else { return str::from_utf8(data).ok() };
        let end = text.len() - self.packets.rest().len();
        text.get(end - data.len()..end)
    }

    fn next(&mut self) -> Result<Line<'a>, ProtocolError> {
        match self.packets.next()? {
            Some(Packet::Data(data)) => match self.text_of(data) {
                Some(text) => Ok(Line::Text(text.strip_suffix('\n').unwrap_or(text))),
                None => Err(unexpected(&String::from_utf8_lossy(data))),
            },
            Some(Packet::Flush) => Ok(Line::End(End::Flush)),
            Some(Packet::Delim) => Ok(Line::End(End::Delim)),
            Some(Packet::ResponseEnd) => Err(unexpected("0002")),
            None => Err(ProtocolError::Incomplete("it does not end in a flush packet")),
        }
    }

    /// Hands on every line of a section.
    fn each(
        &mut self,
        mut read: impl FnMut(&'a str) -> Result<(), ProtocolError>,
    ) -> Result<End, ProtocolError> {
        loop {
            match self.next()? {
                Line::Text(line) => read(line)?,
                Line::End(end) => return Ok(end),
            }
        }
    }

    /// The same for the last section: a flush ends it, and nothing follows.
    fn rest(&mut self, read: impl FnMut(&'a str) -> Result<(), ProtocolError>) -> Result<(), ProtocolError> {
        match self.each(read)? {
            End::Flush if self.at_end() => Ok(()),
            End::Flush => Err(unexpected("more after the end of the request")),
            End::Delim => Err(unexpected("0001")),
        }
    }
}

fn push_id(
    of: &'static str,
    seen: &mut HashSet<ObjectId>,
    list: &mut Vec<ObjectId>,
    (hex, line): (&str, &str),
    limit: usize,
) -> Result<(), ProtocolError> {
    let id = match hex.len() {
        40 => ObjectId::from_hex(hex.as_bytes()).map_err(|_| unexpected(line))?,
        _ => return Err(unexpected(line)),
    };
    if seen.insert(id) {
        push(of, list, id, limit)?;
    }
    Ok(())
}

fn push<T>(of: &'static str, list: &mut Vec<T>, item: T, limit: usize) -> Result<(), ProtocolError> {
    bound(of, list.len() + 1, limit)?;
    list.push(item);
    Ok(())
}

fn bound(of: &'static str, amount: usize, limit: usize) -> Result<(), ProtocolError> {
    if amount > limit { Err(ProtocolError::TooMany { of, limit }) } else { Ok(()) }
}

/// A non-negative decimal number, nothing else.
fn number<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn unexpected(line: &str) -> ProtocolError {
    ProtocolError::UnexpectedLine(clean(line))
}

/// Foreign text made fit for a log or an error: short, and without control characters.
fn clean(text: &str) -> String {
    if text.len() <= 80 && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    text.chars().filter(|char| !char.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests;
