//! A foreign delta on a foreign base: the result keeps the length that was promised and allowed, or there
//! is none. The first byte says how much of the rest is the base; the base's length is corrected in every
//! second input, or few deltas would ever be read past their first number.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skaas_git::delta::apply;

const LIMIT: u64 = 1 << 16;

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let (base, delta) = rest.split_at(rest.len().min(usize::from(first >> 1)));
    let fitted;
    let delta = if first % 2 == 0 {
        delta
    } else {
        // A base here is shorter than 128 bytes: its length is one byte of a delta.
        let length = u8::try_from(base.len()).expect("half of a byte's range");
        fitted = [&[length], delta].concat();
        &fitted
    };
    if let Ok(result) = apply(base, delta, LIMIT) {
        assert!(result.len() as u64 <= LIMIT);
        assert_eq!(apply(base, delta, result.len() as u64).as_ref(), Ok(&result));
        assert!(result.is_empty() || apply(base, delta, result.len() as u64 - 1).is_err());
    }
});
