//! laid out below
pub mod pkt_line;
