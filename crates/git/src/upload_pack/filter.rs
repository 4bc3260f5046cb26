//! Object filters (git-rev-list, `--filter=<filter-spec>`): what a partial clone leaves out.
//!
//! Owns reading a specification; [`ObjectFilter`] applies it. Refuses `sparse:` and `object:type=`.

use thiserror::Error;

use crate::pack::ObjectFilter;

/// A filter that is not served.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unsupported filter")]
pub struct UnsupportedFilter;

/// Reads `blob:none`, `blob:limit=<n>[kmg]`, `tree:<depth>` and `combine:<filter>+<filter>…`.
pub fn parse_filter(spec: &str) -> Result<ObjectFilter, UnsupportedFilter> {
    match spec.strip_prefix("combine:") {
        Some(parts) => parts.split('+').try_fold(ObjectFilter::default(), |all, part| {
            Ok(both(all, parse_simple(&percent_decode(part)?)?))
        }),
        None => parse_simple(spec),
    }
}

fn parse_simple(spec: &str) -> Result<ObjectFilter, UnsupportedFilter> {
    let mut filter = ObjectFilter::default();
    if spec == "blob:none" {
        filter.blob_limit = Some(0);
    } else if let Some(limit) = spec.strip_prefix("blob:limit=") {
        filter.blob_limit = Some(magnitude(limit)?);
    } else if let Some(depth) = spec.strip_prefix("tree:") {
        filter.tree_depth = Some(u32::try_from(magnitude(depth)?).unwrap_or(u32::MAX));
    } else {
        return Err(UnsupportedFilter);
    }
    Ok(filter)
}

/// The filter that keeps what both keep.
pub(super) fn both(a: ObjectFilter, b: ObjectFilter) -> ObjectFilter {
    ObjectFilter {
        blob_limit: [a.blob_limit, b.blob_limit].into_iter().flatten().min(),
        tree_depth: [a.tree_depth, b.tree_depth].into_iter().flatten().min(),
    }
}

/// A number with git's suffixes k, m, g (powers of 1024).
fn magnitude(text: &str) -> Result<u64, UnsupportedFilter> {
    let (digits, factor) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1 << 20),
        Some(b'g' | b'G') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UnsupportedFilter);
    }
    let number: u64 = digits.parse().map_err(|_| UnsupportedFilter)?;
    number.checked_mul(factor).ok_or(UnsupportedFilter)
}

/// The parts of `combine:` are URL-encoded.
fn percent_decode(text: &str) -> Result<String, UnsupportedFilter> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let (high, low) = digit().zip(digit()).ok_or(UnsupportedFilter)?;
        out.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits fit a byte"));
    }
    String::from_utf8(out).map_err(|_| UnsupportedFilter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_served_kind_is_read() {
        let expect = |spec, blob_limit, tree_depth| {
            assert_eq!(parse_filter(spec), Ok(ObjectFilter { blob_limit, tree_depth }), "{spec}");
        };
        expect("blob:none", Some(0), None);
        expect("blob:limit=10k", Some(10 << 10), None);
        expect("tree:0", None, Some(0));
        expect("combine:blob:none+tree:3", Some(0), Some(3));
        expect("combine:blob%3Alimit%3D5+blob:limit=7", Some(5), None);
    }

    #[test]
    fn what_is_not_served_is_said_so() {
        for spec in [
            "",
            "blob:",
            "blob:limit=",
            "blob:limit=+1",
            "blob:limit=k",
            "tree:",
            "tree:-1",
            "sparse:oid=main",
            "object:type=commit",
            "combine:",
            "combine:blob:none+",
            "combine:%4",
            "combine:%zz",
            "combine:%ff",
            "combine:combine:blob:none",
            "tree:99999999999999999999",
            "blob:limit=99999999999999999g",
        ] {
            assert_eq!(parse_filter(spec), Err(UnsupportedFilter), "{spec}");
        }
    }
}
