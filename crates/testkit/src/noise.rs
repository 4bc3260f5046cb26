//! Bytes that no compression makes smaller.

/// Incompressible bytes, the same for the same seed; 0 is no seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(word).take(length.div_ceil(8)).flatten().take(length).collect()
}
