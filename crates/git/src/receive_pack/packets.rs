//! Reads packet lines from a stream whose end they do not mark: a pack follows the last one.
//!
//! Owns: the four hexadecimal digits and the bounds. Refuses: the meaning of a line, and reading
//! one byte past the packet it returns. Whole buffers are decoded by `pkt_line`.

use std::io::{self, Read};

/// The largest packet git allows, its four length digits included.
const MAX_PACKET: usize = 65_520;

/// One packet of the command section.
#[derive(Debug)]
pub(super) enum Packet {
    /// `0000`.
    Flush,
    /// A payload, its trailing newline kept.
    Data(Vec<u8>),
}

/// Why no packet could be read.
#[derive(Debug)]
pub(super) enum PacketError {
    /// The stream ended inside or before a packet.
    Truncated,
    /// The length digits are not a length that git allows here.
    Malformed,
    /// The stream itself failed.
    Io(io::Error),
}

/// Reads exactly one packet.
pub(super) fn read_packet(reader: &mut impl Read) -> Result<Packet, PacketError> {
    let mut digits = [0; 4];
    read_exact(reader, &mut digits)?;
    match parse_length(digits).ok_or(PacketError::Malformed)? {
        0 => Ok(Packet::Flush),
        length @ 4..=MAX_PACKET => {
            let mut payload = vec![0; length - 4];
            read_exact(reader, &mut payload)?;
            Ok(Packet::Data(payload))
        }
        _ => Err(PacketError::Malformed),
    }
}

/// Strict: `u16::from_str_radix` would take a sign as well.
fn parse_length(digits: [u8; 4]) -> Option<usize> {
    digits.iter().try_fold(0, |sum, digit| {
        let value = char::from(*digit).to_digit(16)?;
        Some(sum * 16 + value as usize)
    })
}

fn read_exact(reader: &mut impl Read, into: &mut [u8]) -> Result<(), PacketError> {
    reader.read_exact(into).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => PacketError::Truncated,
        _ => PacketError::Io(error),
    })
}

/// Appends one packet with `parts` as its payload.
pub(super) fn write_packet(out: &mut Vec<u8>, parts: &[&[u8]]) {
    let length = parts.iter().map(|part| part.len()).sum::<usize>() + 4;
    debug_assert!(length <= MAX_PACKET, "callers bound what they write");
    out.extend_from_slice(format!("{length:04x}").as_bytes());
    for part in parts {
        out.extend_from_slice(part);
    }
}
