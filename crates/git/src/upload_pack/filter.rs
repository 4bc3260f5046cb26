//! Object filters (git-rev-list, `--filter=<filter-spec>`): what a partial clone leaves out.
//!
//! Owns reading a specification and applying it. Refuses `sparse:` and `object:type=`.

use thiserror::Error;

/// A filter, as the two limits that all served kinds come down to. `combine:` takes the tighter of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filter {
    /// Blobs of this many bytes or more are left out; `blob:none` is 0.
    pub blob_limit: Option<u64>,
    /// Trees and blobs this far below the root tree (which is at 0) or farther are left out.
    pub tree_depth: Option<u64>,
}

/// A filter that is not served.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unsupported filter")]
pub struct UnsupportedFilter;

impl Filter {
    /// Reads `blob:none`, `blob:limit=<n>[kmg]`, `tree:<depth>` and `combine:<filter>+<filter>…`.
    pub fn parse(spec: &str) -> Result<Self, UnsupportedFilter> {
        if let Some(parts) = spec.strip_prefix("combine:") {
            return parts.split('+').try_fold(Self::default(), |all, part| {
                Ok(all.and(Self::parse_simple(&percent_decode(part)?)?))
            });
        }
        Self::parse_simple(spec)
    }

    fn parse_simple(spec: &str) -> Result<Self, UnsupportedFilter> {
        let mut filter = Self::default();
        if spec == "blob:none" {
            filter.blob_limit = Some(0);
        } else if let Some(limit) = spec.strip_prefix("blob:limit=") {
            filter.blob_limit = Some(magnitude(limit)?);
        } else if let Some(depth) = spec.strip_prefix("tree:") {
            filter.tree_depth = Some(magnitude(depth)?);
        } else {
            return Err(UnsupportedFilter);
        }
        Ok(filter)
    }

    /// What passes both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let tighter = |a: Option<u64>, b: Option<u64>| [a, b].into_iter().flatten().min();
        Self {
            blob_limit: tighter(self.blob_limit, other.blob_limit),
            tree_depth: tighter(self.tree_depth, other.tree_depth),
        }
    }

    /// Whether a tree passes that lies `depth` below the root tree (0: the root tree itself).
    pub fn admits_tree(&self, depth: u64) -> bool {
        self.tree_depth.is_none_or(|limit| depth < limit)
    }

    /// Whether a blob of `size` inflated bytes passes whose name stands at `depth` (a file of the
    /// root tree is at 1).
    pub fn admits_blob(&self, size: u64, depth: u64) -> bool {
        self.blob_limit.is_none_or(|limit| size < limit) && self.admits_tree(depth)
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

    fn limits(blob_limit: Option<u64>, tree_depth: Option<u64>) -> Result<Filter, UnsupportedFilter> {
        Ok(Filter { blob_limit, tree_depth })
    }

    #[test]
    fn each_served_kind_is_read() {
        assert_eq!(Filter::parse("blob:none"), limits(Some(0), None));
        assert_eq!(Filter::parse("blob:limit=10k"), limits(Some(10 << 10), None));
        assert_eq!(Filter::parse("tree:0"), limits(None, Some(0)));
        assert_eq!(Filter::parse("combine:blob:none+tree:3"), limits(Some(0), Some(3)));
        assert_eq!(Filter::parse("combine:blob%3Alimit%3D5+blob:limit=7"), limits(Some(5), None));
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
            assert_eq!(Filter::parse(spec), Err(UnsupportedFilter), "{spec}");
        }
    }

    #[test]
    fn sizes_and_depths_are_excluded_from_their_limit_on() {
        let filter = Filter { blob_limit: Some(5), tree_depth: Some(2) };
        assert!(filter.admits_blob(4, 1) && !filter.admits_blob(5, 1) && !filter.admits_blob(4, 2));
        assert!(filter.admits_tree(1) && !filter.admits_tree(2));
    }
}
