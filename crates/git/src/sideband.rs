//! Owns the multiplexing of a pack with messages (gitprotocol-pack, "Packfile Data").
//! Refuses flush packets: the answer's plan ends the stream.

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::rope::{Rope, RopeBuilder};

/// Data bytes in a packet of `side-band-64k`: 65 520 less the length and the channel.
const LARGE_DATA: usize = 65_515;
/// Data bytes in a packet of `side-band`: 1 000 less the length and the channel, as git cuts it.
const SMALL_DATA: usize = 995;
/// Four digits of length and one channel.
const PACKET_HEADER: usize = 5;

/// The client's choice of multiplexing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum SideBand {
    /// The pack follows bare; there is no place for messages.
    None,
    /// `side-band`: packets of at most 1 000 bytes.
    Small,
    /// `side-band-64k`: packets of at most 65 520 bytes. Always so in protocol v2.
    #[default]
    Large,
}

impl SideBand {
    /// The most data bytes in one packet; `None` without multiplexing.
    pub const fn data_limit(self) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Small => Some(SMALL_DATA),
            Self::Large => Some(LARGE_DATA),
        }
    }
}

#[derive(Clone, Copy)]
enum Channel {
    Data = 1,
    Progress = 2,
    Error = 3,
}

/// Puts `payload` on channel 1. The payload's bytes are shared, not copied.
pub fn frame(payload: &Rope, mode: SideBand) -> Rope {
    if mode == SideBand::None {
        return payload.clone();
    }
    let mut out = RopeBuilder::with_capacity(payload.pieces().len() * 2);
    frame_into(&mut out, payload, mode);
    out.finish()
}

/// As [`frame`], appended to a rope in the making.
pub(crate) fn frame_into(out: &mut RopeBuilder, payload: &Rope, mode: SideBand) {
    let Some(limit) = mode.data_limit() else {
        out.push_rope(payload);
        return;
    };
    let mut left_in_rope = payload.len();
    let mut left_in_packet = 0;
    for piece in payload.pieces() {
        let mut at = 0;
        while at < piece.len() {
            if left_in_packet == 0 {
                left_in_packet = usize::try_from(left_in_rope).map_or(limit, |left| left.min(limit));
                out.push_slice(&packet_header(Channel::Data, left_in_packet));
            }
            let take = left_in_packet.min(piece.len() - at);
            // The whole piece is moved by a reference count, a part by a slice.
            if take < 256 {
                out.push_slice(&piece[at..at + take]);
            } else {
                out.push(piece.slice(at..at + take));
            }
            at += take;
            left_in_packet -= take;
            left_in_rope -= take as u64;
        }
    }
}

/// A line for the person at the other end, shown as `remote: …`. Without multiplexing there is no
/// way to say it, and the answer is empty. Give the line end yourself: `\r` lets the next line
/// overwrite this one.
pub fn progress(text: &str, mode: SideBand) -> Bytes {
    message(Channel::Progress, text, mode)
}

/// A fatal error; the client stops after it. Empty without multiplexing.
pub fn error(text: &str, mode: SideBand) -> Bytes {
    message(Channel::Error, text, mode)
}

fn message(channel: Channel, text: &str, mode: SideBand) -> Bytes {
    let Some(limit) = mode.data_limit() else {
        return Bytes::new();
    };
    let mut out = BytesMut::with_capacity(text.len() + PACKET_HEADER);
    for chunk in text.as_bytes().chunks(limit) {
        out.put_slice(&packet_header(channel, chunk.len()));
        out.put_slice(chunk);
    }
    out.freeze()
}

fn packet_header(channel: Channel, data: usize) -> [u8; PACKET_HEADER] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let len = data + PACKET_HEADER;
    let digit = |shift: u32| DIGITS[(len >> shift) & 0xf];
    [digit(12), digit(8), digit(4), digit(0), channel as u8]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads packets as git does: length, channel, data.
    fn demultiplex(mut bytes: &[u8], limit: usize) -> Vec<(u8, Vec<u8>)> {
        let mut packets = Vec::new();
        while !bytes.is_empty() {
            let len = usize::from_str_radix(std::str::from_utf8(&bytes[..4]).unwrap(), 16).unwrap();
            assert!(len > PACKET_HEADER && len <= limit + PACKET_HEADER);
            packets.push((bytes[4], bytes[5..len].to_vec()));
            bytes = &bytes[len..];
        }
        packets
    }

    proptest! {
        #[test]
        fn demultiplexed_frames_are_the_payload(
            sizes in prop::collection::vec(prop_oneof![0usize..2000, 60_000usize..140_000], 0..5),
            small in any::<bool>(),
        ) {
            let mut builder = RopeBuilder::new();
            for (n, size) in sizes.iter().enumerate() {
                builder.push(Bytes::from(vec![u8::try_from(n).unwrap(); *size]));
            }
            let payload = builder.finish();
            let mode = if small { SideBand::Small } else { SideBand::Large };
            let packets = demultiplex(&frame(&payload, mode).to_vec(), mode.data_limit().unwrap());
            prop_assert!(packets.iter().all(|(channel, _)| *channel == 1));
            let joined: Vec<u8> = packets.into_iter().flat_map(|(_, data)| data).collect();
            prop_assert_eq!(joined, payload.to_vec());
        }
    }

    #[test]
    fn no_packet_is_longer_than_the_protocol_allows() {
        let payload = Rope::from(vec![0; 200_000]);
        for (mode, first) in [(SideBand::Large, b"fff0\x01"), (SideBand::Small, b"03e8\x01")] {
            // 65 520 and 1 000 bytes with everything.
            assert_eq!(&frame(&payload, mode).to_vec()[..5], first);
        }
    }

    #[test]
    fn without_multiplexing_the_payload_is_bare_and_messages_are_unsayable() {
        let payload = Rope::from(b"PACK".to_vec());
        assert_eq!(frame(&payload, SideBand::None), payload);
        assert!(progress("hello\n", SideBand::None).is_empty());
    }

    #[test]
    fn messages_go_to_their_channels() {
        assert_eq!(&progress("hi\n", SideBand::Large)[..], b"0008\x02hi\n");
        assert_eq!(&error("no", SideBand::Small)[..], b"0007\x03no");
        let long = "x".repeat(2000);
        let packets = demultiplex(&progress(&long, SideBand::Small), SMALL_DATA);
        assert_eq!(packets.len(), 3);
    }
}
