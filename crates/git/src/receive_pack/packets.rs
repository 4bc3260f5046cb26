//! Reads packet lines from a stream whose end they do not mark: a pack follows the last one.
//!
//! Owns: reading not one byte past a packet. Refuses: the meaning of a line, and the format, which
//! is [`crate::pkt_line`]'s.

use std::io::{self, Read};

use crate::pkt_line::{HEADER, Header};

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
    match Header::parse(digits) {
        Ok(Header::Flush) => Ok(Packet::Flush),
        Ok(Header::Data(length)) => {
            let mut payload = vec![0; length];
            read_exact(reader, &mut payload)?;
            Ok(Packet::Data(payload))
        }
        // The other special packets belong to protocol v2.
        Ok(Header::Delim | Header::ResponseEnd) | Err(_) => Err(PacketError::Malformed),
    }
}

/// The first packet of `buffer` and its length; `None` while some of it is still to come.
pub(super) fn split_packet(buffer: &[u8]) -> Result<Option<(Packet, usize)>, PacketError> {
    let Some((digits, rest)) = buffer.split_first_chunk::<HEADER>() else { return Ok(None) };
    match Header::parse(*digits) {
        Ok(Header::Flush) => Ok(Some((Packet::Flush, HEADER))),
        Ok(Header::Data(length)) => {
            Ok(rest.get(..length).map(|payload| (Packet::Data(payload.to_vec()), HEADER + length)))
        }
        // The other special packets belong to protocol v2.
        Ok(Header::Delim | Header::ResponseEnd) | Err(_) => Err(PacketError::Malformed),
    }
}

fn read_exact(reader: &mut impl Read, into: &mut [u8]) -> Result<(), PacketError> {
    reader.read_exact(into).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => PacketError::Truncated,
        _ => PacketError::Io(error),
    })
}
