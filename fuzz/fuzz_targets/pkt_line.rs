//! Packet lines: whatever comes in, the reader moves on or stops, and what it read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skaas_git::pkt_line::{DELIM, FLUSH, Packet, RESPONSE_END, Reader, put};

fuzz_target!(|data: &[u8]| {
    let mut reader = Reader::new(data);
    let mut written = Vec::new();
    while let Ok(Some(packet)) = reader.next() {
        match packet {
            Packet::Data(data) => put(&mut written, &[data]),
            Packet::Flush => written.extend_from_slice(FLUSH),
            Packet::Delim => written.extend_from_slice(DELIM),
            Packet::ResponseEnd => written.extend_from_slice(RESPONSE_END),
        }
    }
    let read = &data[..data.len() - reader.rest().len()];
    // Hexadecimal digits may come in either case.
    assert!(read.eq_ignore_ascii_case(&written));
});
