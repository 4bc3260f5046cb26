//! Packet lines (gitprotocol-common, "pkt-line Format"): the framing of every git request and answer.
//!
//! Owns the strict, bounded decoder over bytes already in memory, the four-byte header for those who
//! read a stream, and the encoders. Refuses meaning: what a line says is its reader's business.

use thiserror::Error;

/// Longest packet, header included (gitprotocol-common: 65520 bytes).
pub const MAX_PACKET: usize = 65_520;
/// Longest payload of one packet.
pub const MAX_DATA: usize = MAX_PACKET - HEADER;
/// Length of the hexadecimal header.
pub const HEADER: usize = 4;
/// The flush packet: end of a message.
pub const FLUSH: &[u8; 4] = b"0000";
/// The delimiter packet: end of a section (protocol v2).
pub const DELIM: &[u8; 4] = b"0001";
/// The response-end packet: end of a stateless answer (protocol v2).
pub const RESPONSE_END: &[u8; 4] = b"0002";

/// What each byte is worth as a hexadecimal digit. A request has a dozen of these headers.
const DIGITS: [Option<u8>; 256] = {
    let mut digits = [None; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value as usize] as usize] = Some(value);
        digits[b"0123456789ABCDEF"[value as usize] as usize] = Some(value);
        value += 1;
    }
    digits
};

/// Why bytes are not packet lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PacketError {
    /// The four bytes are not hexadecimal digits.
    #[error("a packet line's length is not hexadecimal")]
    NotHex,
    /// The reserved length 3.
    #[error("a packet line has the reserved length 0003")]
    Reserved,
    /// Longer than [`MAX_PACKET`].
    #[error("a packet line is longer than 65520 bytes")]
    TooLong,
    /// The bytes end inside a packet.
    #[error("the request ends inside a packet line")]
    Truncated,
}

/// One packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A payload; empty for the (legal, useless) packet `0004`.
    Data(&'a [u8]),
    /// `0000`
    Flush,
    /// `0001`
    Delim,
    /// `0002`
    ResponseEnd,
}

/// What a packet's four header bytes announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// That many payload bytes follow (0 ..= [`MAX_DATA`]).
    Data(usize),
    /// `0000`
    Flush,
    /// `0001`
    Delim,
    /// `0002`
    ResponseEnd,
}

impl Header {
    /// Reads a header; for those who read packets from a stream.
    pub fn parse(bytes: [u8; HEADER]) -> Result<Self, PacketError> {
        let mut length = 0;
        for byte in bytes {
            let digit = DIGITS[usize::from(byte)].ok_or(PacketError::NotHex)?;
            length = length * 16 + usize::from(digit);
        }
        match length {
            0 => Ok(Self::Flush),
            1 => Ok(Self::Delim),
            2 => Ok(Self::ResponseEnd),
            3 => Err(PacketError::Reserved),
            _ if length > MAX_PACKET => Err(PacketError::TooLong),
            _ => Ok(Self::Data(length - HEADER)),
        }
    }
}

/// Reads packets one after the other, without copying.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet: after a flush, the pack of a push, for instance.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next packet; `None` at a clean end of the bytes.
    #[expect(clippy::should_implement_trait, reason = "an iterator would go on after an error")]
    pub fn next(&mut self) -> Result<Option<Packet<'a>>, PacketError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (header, after) = self.rest.split_first_chunk::<HEADER>().ok_or(PacketError::Truncated)?;
        let packet = match Header::parse(*header)? {
            Header::Flush => Packet::Flush,
            Header::Delim => Packet::Delim,
            Header::ResponseEnd => Packet::ResponseEnd,
            Header::Data(length) => {
                let (data, after) = after.split_at_checked(length).ok_or(PacketError::Truncated)?;
                self.rest = after;
                return Ok(Some(Packet::Data(data)));
            }
        };
        self.rest = after;
        Ok(Some(packet))
    }
}

/// Appends one data packet made of `parts` laid end to end.
///
/// # Panics
/// When the parts are longer than [`MAX_DATA`] together: the caller cuts its own payloads.
pub fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    let length = HEADER + parts.iter().map(|part| part.len()).sum::<usize>();
    assert!(length <= MAX_PACKET, "a packet's payload must be cut to {MAX_DATA} bytes");
    out.extend_from_slice(&header(length));
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// Appends one line of text with the line feed that git ends its lines with.
///
/// # Panics
/// As [`put`] does.
pub fn put_line(out: &mut Vec<u8>, text: &str) {
    put(out, &[text.as_bytes(), b"\n"]);
}

/// The header of a packet whose whole length, header included, is `length`.
fn header(length: usize) -> [u8; HEADER] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [12, 8, 4, 0].map(|shift| DIGITS[(length >> shift) & 0xf])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8]) -> Result<Vec<Packet<'_>>, PacketError> {
        let mut reader = Reader::new(bytes);
        let mut packets = Vec::new();
        while let Some(packet) = reader.next()? {
            packets.push(packet);
        }
        Ok(packets)
    }

    #[test]
    fn the_examples_of_the_specification_decode() {
        let packets = all(b"0006a\n0005a000bfoobar\n0004").unwrap();
        let expected: [&[u8]; 4] = [b"a\n", b"a", b"foobar\n", b""];
        assert_eq!(packets, expected.map(Packet::Data));
        assert_eq!(all(b"000000010002").unwrap(), [Packet::Flush, Packet::Delim, Packet::ResponseEnd]);
    }

    #[test]
    fn what_is_not_a_packet_is_refused_by_its_reason() {
        assert_eq!(all(b"0003"), Err(PacketError::Reserved));
        assert_eq!(all(b"00g0"), Err(PacketError::NotHex));
        assert_eq!(all(b"+004"), Err(PacketError::NotHex));
        assert_eq!(all(b"fff1"), Err(PacketError::TooLong));
        assert_eq!(all(b"000"), Err(PacketError::Truncated));
        assert_eq!(all(b"0006a"), Err(PacketError::Truncated));
    }

    #[test]
    fn the_longest_packet_goes_through_and_one_byte_more_does_not() {
        let mut out = Vec::new();
        put(&mut out, &[&vec![7; MAX_DATA]]);
        assert_eq!(&out[..4], b"fff0");
        assert_eq!(all(&out).unwrap(), [Packet::Data(&vec![7; MAX_DATA])]);
        let beyond = vec![7; MAX_DATA + 1];
        assert!(std::panic::catch_unwind(|| put(&mut Vec::new(), &[&beyond])).is_err());
    }

    proptest! {
        #[test]
        fn what_is_put_is_read_back(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..20)) {
            let mut out = Vec::new();
            for payload in &payloads {
                put(&mut out, &[payload]);
            }
            out.extend_from_slice(FLUSH);
            let mut packets = all(&out).unwrap();
            prop_assert_eq!(packets.pop(), Some(Packet::Flush));
            let expected: Vec<_> = payloads.iter().map(|payload| Packet::Data(payload)).collect();
            prop_assert_eq!(packets, expected);
        }

        #[test]
        fn any_bytes_end_in_packets_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let mut reader = Reader::new(&bytes);
            let mut before = reader.rest().len();
            while let Ok(Some(_)) = reader.next() {
                prop_assert!(reader.rest().len() < before);
                before = reader.rest().len();
            }
        }
    }
}
