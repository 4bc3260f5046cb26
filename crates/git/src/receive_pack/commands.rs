//! The advertisement, and the commands that open a push.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes, BytesMut};
use gix_hash::ObjectId;

use super::packets::{Packet, PacketError, read_packet, split_packet};
use crate::pkt_line::{FLUSH, put};

/// What this server can do, as named in `gitprotocol-capabilities`.
const CAPABILITIES: &str = concat!(
    "report-status report-status-v2 delete-refs side-band-64k quiet atomic ofs-delta ",
    "push-options object-format=sha1 agent=skaas/",
    env!("CARGO_PKG_VERSION"),
);

/// The body of `GET info/refs?service=git-receive-pack`.
///
/// `refs` are full names (`refs/heads/main`) with the ids they point at, in any order; git wants
/// them sorted and gets them so. An empty repository is advertised as `capabilities^{}`.
pub fn advertise(refs: &[(String, ObjectId)]) -> Bytes {
    let mut sorted: Vec<_> = refs.iter().map(|(name, id)| (name.as_str(), *id)).collect();
    sorted.sort_unstable();
    if sorted.is_empty() {
        sorted.push(("capabilities^{}", zero_id()));
    }
    let mut out = Vec::with_capacity(64 * (sorted.len() + 4));
    put(&mut out, &[b"# service=git-receive-pack\n"]);
    out.extend_from_slice(FLUSH);
    for (position, (name, id)) in sorted.into_iter().enumerate() {
        let line = match position {
            0 => format!("{id} {name}\0{CAPABILITIES}\n"),
            _ => format!("{id} {name}\n"),
        };
        put(&mut out, &[line.as_bytes()]);
    }
    out.extend_from_slice(FLUSH);
    out.into()
}

pub(super) fn zero_id() -> ObjectId {
    ObjectId::null(gix_hash::Kind::Sha1)
}

/// One requested change of one ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefCommand {
    /// The full name as sent, not yet judged: see [`super::judge`].
    pub name: String,
    /// What the pusher believes the ref to point at; the zero id when it should not exist.
    pub old: ObjectId,
    /// What it shall point at; the zero id to delete it.
    pub new: ObjectId,
}

impl RefCommand {
    /// Whether the ref is to be made.
    pub fn is_create(&self) -> bool {
        self.old.is_null() && !self.new.is_null()
    }

    /// Whether the ref is to go.
    pub fn is_delete(&self) -> bool {
        self.new.is_null()
    }
}

/// What the client chose from the advertised capabilities. Unknown ones are ignored, as git does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the wire format is a list of independent flags")]
pub struct Capabilities {
    /// The client waits for a report.
    pub report_status: bool,
    /// The client understands the second form of it (a superset).
    pub report_status_v2: bool,
    /// The answer is to be framed in side-band-64k packets.
    pub side_band_64k: bool,
    /// `git push --quiet`: no progress, but messages are shown.
    pub quiet: bool,
    /// All commands or none.
    pub atomic: bool,
    /// A section of push options follows the commands.
    pub push_options: bool,
    /// `agent=…`, as sent.
    pub agent: Option<String>,
}

impl Capabilities {
    fn parse(list: &str) -> Result<Self, ParseError> {
        let mut found = Self::default();
        for word in list.split(' ') {
            match word {
                "report-status" => found.report_status = true,
                "report-status-v2" => found.report_status_v2 = true,
                "side-band-64k" => found.side_band_64k = true,
                "quiet" => found.quiet = true,
                "atomic" => found.atomic = true,
                "push-options" => found.push_options = true,
                _ => match word.split_once('=') {
                    Some(("agent", agent)) => found.agent = Some(agent.to_owned()),
                    Some(("object-format", format)) if format != "sha1" => {
                        return Err(ParseError::ObjectFormat);
                    }
                    _ => {}
                },
            }
        }
        Ok(found)
    }

    /// Whether any report is expected.
    pub fn wants_report(&self) -> bool {
        self.report_status || self.report_status_v2
    }
}

/// Everything a push says before its pack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PushRequest {
    /// The changes asked for, in the order sent.
    pub commands: Vec<RefCommand>,
    /// What the client can do.
    pub capabilities: Capabilities,
    /// `git push -o …`, in the order sent, without line ends.
    pub push_options: Vec<String>,
    /// Commits that the client's clone cuts off. A push whose history would end there is refused
    /// later, as a missing object; nothing has to be done with them.
    pub shallow: Vec<ObjectId>,
}

impl PushRequest {
    /// Whether this is the body `0000`, which git posts to learn whether it is let in before it
    /// streams a large pack in chunks. The answer is an empty 200.
    pub fn is_probe(&self) -> bool {
        self.commands.is_empty()
    }

    /// Whether a pack follows: git sends none when it only deletes.
    pub fn expects_pack(&self) -> bool {
        self.commands.iter().any(|command| !command.is_delete())
    }
}

/// Bounds of the command section.
#[derive(Debug, Clone)]
pub struct ParseLimits {
    /// Commands, and separately `shallow` lines.
    pub commands: usize,
    /// Push options.
    pub push_options: usize,
    /// Bytes of a single command or option.
    pub line_bytes: usize,
    /// Bytes of the whole section.
    pub bytes: usize,
}

impl Default for ParseLimits {
    /// Room for the tags of a long-lived project in one push.
    fn default() -> Self {
        Self { commands: 10_000, push_options: 32, line_bytes: 4_096, bytes: 2 << 20 }
    }
}

/// Why the command section was not understood. None of these has touched a ref.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// The body ended too early.
    #[error("the push ended before its commands did")]
    Truncated,
    /// Not a packet line, or not a command.
    #[error("the push is malformed: {0}")]
    Malformed(&'static str),
    /// One of [`ParseLimits`].
    #[error("a push takes at most {limit} {what}; push fewer refs at a time")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
    },
    /// A repository with another hash function.
    #[error("this server keeps SHA-1 repositories only")]
    ObjectFormat,
    /// `git push --signed`, which was not advertised.
    #[error("signed pushes are not supported; push without --signed")]
    SignedPush,
    /// The connection failed.
    #[error("the push could not be read")]
    Io(#[source] io::Error),
}

impl From<PacketError> for ParseError {
    fn from(error: PacketError) -> Self {
        match error {
            PacketError::Truncated => Self::Truncated,
            PacketError::Malformed => Self::Malformed("not a packet line"),
            PacketError::Io(error) => Self::Io(error),
        }
    }
}

/// Reads commands and push options, and leaves `reader` at the first byte of the pack.
///
/// The body must be inflated already when it came gzip-encoded. Give it a buffered reader: it
/// reads four bytes at a time.
pub fn parse_commands(reader: &mut impl Read, limits: &ParseLimits) -> Result<PushRequest, ParseError> {
    let mut section = CommandReader::new(limits.clone());
    while section.part != Part::Pack {
        section.take(&read_packet(reader)?)?;
    }
    Ok(section.request)
}

/// Reads the section before the pack from bytes as they arrive.
#[derive(Debug)]
pub struct CommandReader {
    limits: ParseLimits,
    request: PushRequest,
    part: Part,
    bytes: usize,
}

/// What the next packet belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Commands,
    PushOptions,
    Pack,
}

impl CommandReader {
    /// Starts at the first byte of a push.
    pub fn new(limits: ParseLimits) -> Self {
        Self { limits, request: PushRequest::default(), part: Part::Commands, bytes: 0 }
    }

    /// Takes every complete packet off the front of `buffer`. Returns whether the section is
    /// complete; `buffer` then begins with the pack.
    pub fn read(&mut self, buffer: &mut BytesMut) -> Result<bool, ParseError> {
        while self.part != Part::Pack {
            let Some((packet, length)) = split_packet(buffer)? else { return Ok(false) };
            self.take(&packet)?;
            buffer.advance(length);
        }
        Ok(true)
    }

    /// What was understood so far. The capabilities are known from the first command on.
    pub fn request(&self) -> &PushRequest {
        &self.request
    }

    /// What was understood.
    pub fn into_request(self) -> PushRequest {
        self.request
    }

    fn take(&mut self, packet: &Packet) -> Result<(), ParseError> {
        let Packet::Data(line) = packet else {
            let options_follow = self.part == Part::Commands && self.request.capabilities.push_options;
            self.part = if options_follow { Part::PushOptions } else { Part::Pack };
            return Ok(());
        };
        let first = self.part == Part::Commands && self.request.commands.is_empty();
        check_line(line, &self.limits, first)?;
        self.bytes += line.len();
        within(self.bytes, self.limits.bytes, "bytes of commands")?;
        match self.part {
            Part::Commands => self.take_command(line, first),
            Part::PushOptions => self.take_option(line),
            Part::Pack => Err(ParseError::Malformed("a packet line after the commands")),
        }
    }

    fn take_command(&mut self, line: &[u8], first: bool) -> Result<(), ParseError> {
        if let Some(id) = line.strip_prefix(b"shallow ") {
            self.request.shallow.push(parse_id(strip_newline(id))?);
            return within(self.request.shallow.len(), self.limits.commands, "shallow lines");
        }
        if line.starts_with(b"push-cert") {
            return Err(ParseError::SignedPush);
        }
        // The capabilities ride on the first command; git ignores a second list, and so do we.
        let (command, list) = split_capabilities(line)?;
        if first {
            self.request.capabilities = Capabilities::parse(list)?;
        }
        self.request.commands.push(parse_command(command)?);
        within(self.request.commands.len(), self.limits.commands, "refs")
    }

    fn take_option(&mut self, line: &[u8]) -> Result<(), ParseError> {
        let text = std::str::from_utf8(strip_newline(line))
            .map_err(|_| ParseError::Malformed("a push option is not UTF-8"))?;
        self.request.push_options.push(text.to_owned());
        within(self.request.push_options.len(), self.limits.push_options, "push options")
    }
}

fn check_line(line: &[u8], limits: &ParseLimits, first: bool) -> Result<(), ParseError> {
    // The first line carries the capabilities as well, session ids and all.
    let bound = if first { 2 * limits.line_bytes } else { limits.line_bytes };
    within(line.len(), bound, "bytes in one command")
}

fn within(value: usize, limit: usize, what: &'static str) -> Result<(), ParseError> {
    if value > limit { Err(ParseError::TooLarge { what, limit }) } else { Ok(()) }
}

fn split_capabilities(line: &[u8]) -> Result<(&[u8], &str), ParseError> {
    let Some(nul) = line.iter().position(|byte| *byte == 0) else {
        return Ok((strip_newline(line), ""));
    };
    let list = std::str::from_utf8(strip_newline(&line[nul + 1..]))
        .map_err(|_| ParseError::Malformed("the capabilities are not UTF-8"))?;
    Ok((&line[..nul], list))
}

fn parse_command(line: &[u8]) -> Result<RefCommand, ParseError> {
    const ID: usize = 40;
    if line.len() < 2 * ID + 3 || line[ID] != b' ' || line[2 * ID + 1] != b' ' {
        return Err(ParseError::Malformed("not a ref command"));
    }
    let name = std::str::from_utf8(&line[2 * ID + 2..])
        .map_err(|_| ParseError::Malformed("a ref name is not UTF-8"))?;
    // Names come back in the line-based report, so a line end in one must not survive to it.
    if name.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err(ParseError::Malformed("a ref name has control characters"));
    }
    Ok(RefCommand {
        name: name.to_owned(),
        old: parse_id(&line[..ID])?,
        new: parse_id(&line[ID + 1..=2 * ID])?,
    })
}

fn parse_id(hex: &[u8]) -> Result<ObjectId, ParseError> {
    if hex.len() != 40 {
        return Err(ParseError::Malformed("not an object id"));
    }
    ObjectId::from_hex(hex).map_err(|_| ParseError::Malformed("not an object id"))
}

fn strip_newline(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const NULL: &str = "0000000000000000000000000000000000000000";

    fn packet(text: &str) -> String {
        format!("{:04x}{text}", text.len() + 4)
    }

    fn parse(body: &str) -> Result<(PushRequest, String), ParseError> {
        let mut reader = body.as_bytes();
        let request = parse_commands(&mut reader, &ParseLimits::default())?;
        Ok((request, String::from_utf8(reader.to_vec()).unwrap()))
    }

    #[test]
    fn the_pack_is_left_unread() {
        let body = packet(&format!(
            "{NULL} {ONE} refs/heads/main\0report-status-v2 side-band-64k push-options agent=git/2.47"
        )) + &packet(&format!("{ONE} {NULL} refs/tags/v1\n"))
            + "0000"
            + &packet("ci.skip\n")
            + &packet("note=a b")
            + "0000PACK…";
        let (request, rest) = parse(&body).unwrap();
        assert_eq!(rest, "PACK…");
        assert_eq!(request.commands.len(), 2);
        assert!(request.commands[0].is_create());
        assert!(request.commands[1].is_delete());
        assert_eq!(request.commands[1].name, "refs/tags/v1");
        assert_eq!(request.push_options, ["ci.skip", "note=a b"]);
        assert_eq!(request.capabilities.agent.as_deref(), Some("git/2.47"));
        assert!(request.capabilities.side_band_64k && !request.capabilities.atomic);
        assert!(request.expects_pack());
    }

    #[test]
    fn the_four_byte_body_is_a_probe() {
        let (request, rest) = parse("0000").unwrap();
        assert!(request.is_probe() && !request.expects_pack() && rest.is_empty());
    }

    #[test]
    fn a_deletion_alone_expects_no_pack() {
        let body = packet(&format!("{ONE} {NULL} refs/heads/old\0report-status")) + "0000";
        assert!(!parse(&body).unwrap().0.expects_pack());
    }

    #[test]
    fn malformed_commands_are_errors() {
        for line in [
            format!("{ONE} {ONE}"),
            format!("{ONE} {ONE} "),
            format!("{ONE}x{ONE} refs/heads/a"),
            format!("{ONE} {} refs/heads/a", "g".repeat(40)),
            format!("{ONE} {ONE} refs/heads/a\nok refs/heads/b"),
            "shallow 12".to_owned(),
            "push-cert\0report-status".to_owned(),
        ] {
            assert!(parse(&(packet(&line) + "0000")).is_err(), "{line:?}");
        }
        for body in ["", "000", "0001", "0003", "fff1", "+004", "zzzz", "00"] {
            assert!(parse(body).is_err(), "{body:?}");
        }
    }

    #[test]
    fn ten_thousand_commands_are_taken_and_no_more() {
        let mut body = String::new();
        for number in 0..10_000 {
            body += &packet(&format!("{NULL} {ONE} refs/tags/release/{number}.0.0"));
        }
        assert_eq!(parse(&(body.clone() + "0000")).unwrap().0.commands.len(), 10_000);
        body += &packet(&format!("{NULL} {ONE} refs/tags/one-more"));
        let refused = parse(&(body + "0000")).unwrap_err();
        assert_eq!(refused.to_string(), "a push takes at most 10000 refs; push fewer refs at a time");
    }

    #[test]
    fn the_command_section_is_bounded_in_bytes() {
        let name = "x".repeat(3_000);
        let body: String =
            (0..1_000).map(|n| packet(&format!("{NULL} {ONE} refs/heads/{n}{name}"))).collect();
        assert!(matches!(parse(&body), Err(ParseError::TooLarge { what: "bytes of commands", .. })));
    }

    #[test]
    fn commands_are_understood_however_the_bytes_arrive() {
        let body = packet(&format!("{NULL} {ONE} refs/heads/main\0report-status push-options"))
            + &packet(&format!("{ONE} {NULL} refs/tags/v1\n"))
            + "0000"
            + &packet("ci.skip\n")
            + "0000PACK";
        let whole = parse(&body).unwrap().0;
        for piece in [1, 3, 7, 50, body.len()] {
            let (mut reader, mut buffer) = (CommandReader::new(ParseLimits::default()), BytesMut::new());
            let mut complete = false;
            for bytes in body.as_bytes().chunks(piece) {
                buffer.extend_from_slice(bytes);
                complete = reader.read(&mut buffer).unwrap();
            }
            assert!(complete && &buffer[..] == b"PACK", "in pieces of {piece}: {buffer:?}");
            assert_eq!(reader.into_request(), whole);
        }
    }

    #[test]
    fn a_refused_push_still_tells_what_its_client_understands() {
        let mut buffer = BytesMut::from(
            (packet(&format!("{NULL} {ONE} refs/heads/main\0side-band-64k report-status")) + "zzzz").as_str(),
        );
        let mut reader = CommandReader::new(ParseLimits::default());
        assert!(reader.read(&mut buffer).is_err());
        assert!(reader.request().capabilities.side_band_64k);
        assert_eq!(reader.request().commands.len(), 1);
    }

    #[test]
    fn another_object_format_is_refused() {
        let body = packet(&format!("{NULL} {ONE} refs/heads/a\0object-format=sha256")) + "0000";
        assert!(matches!(parse(&body), Err(ParseError::ObjectFormat)));
    }

    #[test]
    fn an_empty_repository_advertises_its_capabilities() {
        let body = advertise(&[]);
        let text = String::from_utf8(body.to_vec()).unwrap();
        let line = format!("{NULL} capabilities^{{}}\0{CAPABILITIES}\n");
        assert_eq!(text, format!("001f# service=git-receive-pack\n0000{}0000", packet(&line)));
    }

    #[test]
    fn advertised_refs_are_sorted() {
        let id = ObjectId::from_hex(ONE.as_bytes()).unwrap();
        let body = advertise(&[("refs/tags/a".into(), id), ("refs/heads/z".into(), id)]);
        let text = String::from_utf8(body.to_vec()).unwrap();
        let expected = packet(&format!("{ONE} refs/heads/z\0{CAPABILITIES}\n"))
            + &packet(&format!("{ONE} refs/tags/a\n"))
            + "0000";
        assert!(text.ends_with(&expected), "{text}");
    }

    proptest! {
        #[test]
        fn parsing_never_panics(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse_commands(&mut body.as_slice(), &ParseLimits::default());
        }
    }
}
