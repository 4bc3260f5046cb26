//! Owns git's delta format (gitformat-pack, "Deltified representation"): writing one from known
//! copies and inserts, and applying one.
//! Refuses to search for similarity: who writes a delta knows what changed.

/// Most bytes one copy instruction may name in a version 2 pack: three bytes of size.
const MAX_COPY: u64 = 0x00ff_ffff;
/// The size that a copy instruction without size bytes means.
const DEFAULT_COPY: u64 = 0x1_0000;
/// Most bytes one insert instruction may carry.
const MAX_INSERT: usize = 127;
/// Longest varint of a size: ten groups of seven bits hold 64 bits.
const MAX_VARINT: usize = 10;

/// Writes a delta, instruction by instruction. Neighbouring copies are joined.
#[derive(Debug)]
pub struct DeltaBuilder {
    out: Vec<u8>,
    /// A copy not yet written: offset and length.
    pending: Option<(u64, u64)>,
    base_len: u64,
    result_len: u64,
    written: u64,
}

impl DeltaBuilder {
    /// Starts a delta from a base of `base_len` bytes to a result of `result_len` bytes. The base
    /// must be shorter than 4 GiB, since a copy names 32 bits of offset.
    pub fn new(base_len: u64, result_len: u64) -> Self {
        let mut out = Vec::with_capacity(512);
        put_size(&mut out, base_len);
        put_size(&mut out, result_len);
        Self { out, pending: None, base_len, result_len, written: 0 }
    }

    /// Takes `len` bytes of the base at `offset`.
    pub fn copy(&mut self, offset: u64, len: u64) -> &mut Self {
        debug_assert!(offset + len <= self.base_len, "a copy lies inside its base");
        if len == 0 {
            return self;
        }
        self.written += len;
        match &mut self.pending {
            Some((from, pending)) if *from + *pending == offset => *pending += len,
            _ => {
                self.flush_copy();
                self.pending = Some((offset, len));
            }
        }
        self
    }

    /// Takes these bytes themselves.
    pub fn insert(&mut self, bytes: &[u8]) -> &mut Self {
        if bytes.is_empty() {
            return self;
        }
        self.flush_copy();
        self.written += bytes.len() as u64;
        for chunk in bytes.chunks(MAX_INSERT) {
            self.out.push(u8::try_from(chunk.len()).expect("a chunk has at most 127 bytes"));
            self.out.extend_from_slice(chunk);
        }
        self
    }

    /// The delta's bytes.
    pub fn finish(mut self) -> Vec<u8> {
        self.flush_copy();
        debug_assert_eq!(self.written, self.result_len, "the result has its promised length");
        self.out
    }

    fn flush_copy(&mut self) {
        let Some((mut offset, mut len)) = self.pending.take() else {
            return;
        };
        while len > 0 {
            let part = len.min(MAX_COPY);
            put_copy(&mut self.out, offset, part);
            offset += part;
            len -= part;
        }
    }
}

/// One copy: a bit per byte present, then the non-zero bytes of offset and size, lowest first.
fn put_copy(out: &mut Vec<u8>, offset: u64, len: u64) {
    let command = out.len();
    out.push(0x80);
    let mut flags = 0x80;
    for (bit, byte) in offset.to_le_bytes().into_iter().take(4).enumerate() {
        if byte != 0 {
            flags |= 1 << bit;
            out.push(byte);
        }
    }
    if len != DEFAULT_COPY {
        for (bit, byte) in len.to_le_bytes().into_iter().take(3).enumerate() {
            if byte != 0 {
                flags |= 0x10 << bit;
                out.push(byte);
            }
        }
    }
    out[command] = flags;
}

fn put_size(out: &mut Vec<u8>, mut size: u64) {
    while size >= 0x80 {
        out.push(low_seven(size) | 0x80);
        size >>= 7;
    }
    out.push(low_seven(size));
}

fn low_seven(value: u64) -> u8 {
    u8::try_from(value & 0x7f).expect("seven bits fit in a byte")
}

/// Why a delta cannot be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeltaError {
    /// It ends inside an instruction or a size.
    #[error("the delta is cut short")]
    Truncated,
    /// Instruction 0 is reserved.
    #[error("the delta holds the reserved instruction 0")]
    Reserved,
    /// It was made for a base of another length.
    #[error("the delta is for a base of {expected} bytes, not {actual}")]
    WrongBase {
        /// The length it names.
        expected: u64,
        /// The base's length.
        actual: u64,
    },
    /// A copy reaches past the end of the base.
    #[error("the delta copies from beyond its base")]
    OutOfBase,
    /// The result has not the length that was promised.
    #[error("the delta's result differs from its promised length")]
    WrongResult,
    /// The result would be longer than the caller allows.
    #[error("the delta's result of {0} bytes is over the limit")]
    TooLarge(u64),
}

/// Applies `delta` to `base`.
///
/// # Errors
/// Anything malformed, and results longer than `max_result` bytes. Never takes more memory than
/// the promised result, nor more than `max_result`.
pub fn apply(base: &[u8], delta: &[u8], max_result: u64) -> Result<Vec<u8>, DeltaError> {
    let mut input = delta;
    let expected = take_size(&mut input)?;
    let result_len = take_size(&mut input)?;
    if expected != base.len() as u64 {
        return Err(DeltaError::WrongBase { expected, actual: base.len() as u64 });
    }
    if result_len > max_result {
        return Err(DeltaError::TooLarge(result_len));
    }
    let result_len = usize::try_from(result_len).map_err(|_| DeltaError::TooLarge(result_len))?;
    // The promise is not trusted with memory: it may be a lie within the limit.
    let mut out = Vec::with_capacity(result_len.min(base.len() + delta.len()));
    while let Some(command) = take_byte(&mut input) {
        let part = if command & 0x80 != 0 {
            copy_source(command, &mut input, base)?
        } else if command == 0 {
            return Err(DeltaError::Reserved);
        } else {
            let (literal, rest) = input.split_at_checked(command.into()).ok_or(DeltaError::Truncated)?;
            input = rest;
            literal
        };
        if out.len() + part.len() > result_len {
            return Err(DeltaError::WrongResult);
        }
        out.extend_from_slice(part);
    }
    if out.len() == result_len { Ok(out) } else { Err(DeltaError::WrongResult) }
}

fn copy_source<'a>(command: u8, input: &mut &[u8], base: &'a [u8]) -> Result<&'a [u8], DeltaError> {
    let mut field = |bits: std::ops::Range<u32>| -> Result<usize, DeltaError> {
        let mut value = 0usize;
        for (place, bit) in bits.enumerate() {
            if command & (1 << bit) != 0 {
                let byte = take_byte(input).ok_or(DeltaError::Truncated)?;
                value |= usize::from(byte) << (8 * place);
            }
        }
        Ok(value)
    };
    let offset = field(0..4)?;
    let size = match field(4..7)? {
        0 => 0x1_0000,
        size => size,
    };
    base.get(offset..).and_then(|tail| tail.get(..size)).ok_or(DeltaError::OutOfBase)
}

fn take_byte(input: &mut &[u8]) -> Option<u8> {
    let (first, rest) = input.split_first()?;
    *input = rest;
    Some(*first)
}

fn take_size(input: &mut &[u8]) -> Result<u64, DeltaError> {
    let mut size = 0u64;
    for place in 0..MAX_VARINT {
        let byte = take_byte(input).ok_or(DeltaError::Truncated)?;
        size |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(size);
        }
    }
    Err(DeltaError::Truncated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Op {
        Copy(prop::sample::Index, prop::sample::Index),
        Insert(Vec<u8>),
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        prop::collection::vec(
            prop_oneof![
                any::<(prop::sample::Index, prop::sample::Index)>().prop_map(|(a, b)| Op::Copy(a, b)),
                prop::collection::vec(any::<u8>(), 0..300).prop_map(Op::Insert),
            ],
            0..10,
        )
    }

    proptest! {
        #[test]
        fn a_written_delta_applies_to_what_its_instructions_say(
            base in prop::collection::vec(any::<u8>(), 1..2000), ops in ops(),
        ) {
            let mut wanted = Vec::new();
            let mut steps = Vec::new();
            for op in &ops {
                match op {
                    Op::Copy(a, b) => {
                        let (a, b) = (a.index(base.len()), b.index(base.len()));
                        let (from, to) = (a.min(b), a.max(b));
                        wanted.extend_from_slice(&base[from..to]);
                        steps.push((from, to));
                    }
                    Op::Insert(bytes) => wanted.extend_from_slice(bytes),
                }
            }
            let mut builder = DeltaBuilder::new(base.len() as u64, wanted.len() as u64);
            let mut steps = steps.into_iter();
            for op in &ops {
                if let Op::Insert(bytes) = op {
                    builder.insert(bytes);
                } else {
                    let (from, to) = steps.next().unwrap();
                    builder.copy(from as u64, (to - from) as u64);
                }
            }
            let delta = builder.finish();
            prop_assert_eq!(apply(&base, &delta, 1 << 20).unwrap(), wanted);
        }

        #[test]
        fn applying_foreign_bytes_never_panics_nor_exceeds_the_limit(
            base in prop::collection::vec(any::<u8>(), 0..100),
            delta in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            if let Ok(out) = apply(&base, &delta, 1000) {
                prop_assert!(out.len() <= 1000);
            }
        }
    }

    #[test]
    fn copies_of_awkward_sizes_survive() {
        let base = vec![5u8; 0x0300_0000];
        for len in [0x1_0000u64, 0xffff, 0x1_0001, 0xff_ffff, 0x100_0000, 0x20_0000, 0x300_0000] {
            let mut builder = DeltaBuilder::new(base.len() as u64, len);
            builder.copy(base.len() as u64 - len, len);
            let out = apply(&base, &builder.finish(), len).unwrap();
            assert_eq!(out.len() as u64, len);
        }
    }

    #[test]
    fn refusals_name_their_reason() {
        let mut builder = DeltaBuilder::new(4, 4);
        builder.copy(0, 4);
        let delta = builder.finish();
        assert_eq!(apply(b"abc", &delta, 9), Err(DeltaError::WrongBase { expected: 4, actual: 3 }));
        assert_eq!(apply(b"abcd", &delta, 3), Err(DeltaError::TooLarge(4)));
        assert_eq!(apply(b"abcd", &[4, 4, 0], 9), Err(DeltaError::Reserved));
        assert_eq!(apply(b"abcd", &[4, 4, 0x91, 1, 4], 9), Err(DeltaError::OutOfBase));
        assert_eq!(apply(b"abcd", &[4, 4, 2, b'x'], 9), Err(DeltaError::Truncated));
        assert_eq!(apply(b"abcd", &[4, 4, 1, b'x'], 9), Err(DeltaError::WrongResult));
        assert_eq!(apply(b"abcd", &[4, 0x80], 9), Err(DeltaError::Truncated));
    }
}
