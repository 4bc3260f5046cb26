//! The answer to a push: `report-status`, and the side-band it travels in.

use bytes::Bytes;
use gix_hash::ObjectId;

use super::{Capabilities, RefCommand, Verdict};
use crate::pkt_line::{FLUSH, put};
use crate::sideband::SideBand;

/// The most data in one packet of the only side-band that pushes know.
const BAND: usize = SideBand::Large.data_limit().expect("side-band-64k has a limit");

/// What became of a push. Both versions of the report look the same as long as no ref was
/// rewritten by the server, and none ever is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whether the pack was taken in; the reason is one sentence for the pusher.
    pub unpack: Result<(), String>,
    /// One verdict per command, under the name as sent.
    pub refs: Vec<(String, Verdict)>,
}

impl Report {
    /// A report in which the pack was taken in and each command has its verdict.
    ///
    /// # Panics
    /// When there are not as many verdicts as commands.
    pub fn new(commands: &[RefCommand], verdicts: Vec<Verdict>) -> Self {
        assert_eq!(commands.len(), verdicts.len(), "one verdict per command");
        let names = commands.iter().map(|command| command.name.clone());
        Self { unpack: Ok(()), refs: names.zip(verdicts).collect() }
    }

    /// A report of a pack that was refused: no ref changes.
    pub fn refused(commands: &[RefCommand], reason: impl Into<String>) -> Self {
        let refs =
            commands.iter().map(|command| (command.name.clone(), Err("unpacker error".to_owned()))).collect();
        Self { unpack: Err(reason.into()), refs }
    }

    /// The packet lines of `gitprotocol-pack`, "Report Status", ended by a flush; not yet framed.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        let mut line = |text: String| put(&mut out, &[one_line(&text).as_bytes(), b"\n"]);
        match &self.unpack {
            Ok(()) => line("unpack ok".to_owned()),
            Err(reason) => line(format!("unpack {reason}")),
        }
        for (name, verdict) in &self.refs {
            match verdict {
                Ok(()) => line(format!("ok {name}")),
                Err(reason) => line(format!("ng {name} {reason}")),
            }
        }
        out.extend_from_slice(FLUSH);
        out.into()
    }
}

/// Bounded, and free of line ends and other control characters.
fn one_line(text: &str) -> String {
    text.chars().take(4_000).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Frames the answer of a push as the client asked for it: each call returns bytes to send.
///
/// Without side-band only the report exists; progress and messages vanish.
#[derive(Debug, Clone)]
pub struct SidebandWriter {
    side_band: bool,
    quiet: bool,
    report: bool,
}

impl SidebandWriter {
    /// For a client with these capabilities.
    pub fn new(capabilities: &Capabilities) -> Self {
        Self {
            side_band: capabilities.side_band_64k,
            quiet: capabilities.quiet,
            report: capabilities.wants_report(),
        }
    }

    /// Progress, shown as `remote: …` unless the push is quiet. A text that ends in `\r` is
    /// overwritten by the next one; every other text should end in `\n`.
    pub fn progress(&self, text: &str) -> Bytes {
        if self.quiet { Bytes::new() } else { self.message(text) }
    }

    /// Nothing to read: keeps proxies from closing a connection on which a quiet push waits.
    pub fn keep_alive(&self) -> Bytes {
        if self.side_band { Bytes::from_static(b"0005\x02") } else { Bytes::new() }
    }

    /// Something the pusher should read even with `--quiet`: a release, a warning, an error.
    pub fn message(&self, text: &str) -> Bytes {
        self.band(2, printable(text).as_bytes())
    }

    /// Ends the push with `fatal: remote error: …` on the pusher's side. Nothing may follow.
    pub fn fatal(&self, text: &str) -> Bytes {
        self.band(3, printable(text).as_bytes())
    }

    /// The report and the end of the answer. Nothing may follow.
    pub fn report(&self, report: &Report) -> Bytes {
        let mut out = Vec::new();
        if self.report {
            let body = report.encode();
            if !self.side_band {
                return body;
            }
            out.extend_from_slice(&self.band(1, &body));
        }
        if self.side_band {
            out.extend_from_slice(FLUSH);
        }
        out.into()
    }

    fn band(&self, channel: u8, data: &[u8]) -> Bytes {
        let mut out = Vec::new();
        if self.side_band {
            for chunk in data.chunks(BAND) {
                put(&mut out, &[&[channel], chunk]);
            }
        }
        out.into()
    }
}

/// Keeps the two line ends and turns the rest of the control characters, which a terminal may
/// obey, into question marks: skill names and paths in messages are foreign text.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\r' | '\t') { '?' } else { c }).collect()
}

impl Report {
    /// The commands that were accepted, with the id their ref shall have (the zero id: deleted).
    pub fn accepted<'a>(&'a self, commands: &'a [RefCommand]) -> impl Iterator<Item = (&'a str, ObjectId)> {
        self.refs
            .iter()
            .zip(commands)
            .filter(|((_, verdict), _)| verdict.is_ok())
            .map(|(_, command)| (command.name.as_str(), command.new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(quiet: bool) -> SidebandWriter {
        SidebandWriter::new(&Capabilities {
            report_status: true,
            side_band_64k: true,
            quiet,
            ..Capabilities::default()
        })
    }

    fn report() -> Report {
        Report {
            unpack: Ok(()),
            refs: vec![
                ("refs/heads/main".into(), Ok(())),
                ("refs/heads/old".into(), Err("stale\ninfo".into())),
            ],
        }
    }

    #[test]
    fn a_report_is_lines_and_a_flush() {
        let text = String::from_utf8(report().encode().to_vec()).unwrap();
        assert_eq!(text, "000eunpack ok\n0017ok refs/heads/main\n0021ng refs/heads/old stale info\n0000");
    }

    #[test]
    fn the_report_rides_on_channel_one_and_ends_the_answer() {
        let framed = writer(false).report(&report());
        assert_eq!(&framed[..5], b"004f\x01");
        assert!(framed.ends_with(b"00000000"));
    }

    #[test]
    fn a_quiet_push_shows_messages_but_no_progress() {
        assert!(writer(true).progress("Resolving\r").is_empty());
        assert_eq!(&writer(true).message("hi\n")[..], b"0008\x02hi\n");
        assert_eq!(&writer(false).progress("hi\n")[..], b"0008\x02hi\n");
    }

    #[test]
    fn terminal_escapes_do_not_travel() {
        assert_eq!(&writer(false).message("\x1b[2J\n")[..], b"000a\x02?[2J\n");
    }

    #[test]
    fn long_messages_are_split() {
        let framed = writer(false).message(&"x".repeat(BAND + 1));
        assert_eq!(framed.len(), BAND + 1 + 2 * 5);
        assert_eq!(&framed[..5], b"fff0\x02");
    }

    #[test]
    fn without_side_band_only_the_report_is_sent() {
        let plain = SidebandWriter::new(&Capabilities { report_status: true, ..Capabilities::default() });
        assert!(plain.message("x").is_empty());
        assert_eq!(plain.report(&report()), report().encode());
        let silent = SidebandWriter::new(&Capabilities::default());
        assert!(silent.report(&report()).is_empty());
    }
}
