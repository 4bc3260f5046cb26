//! Owns git object ids as the store keeps them: 20 bytes. Refuses to compute one.

use std::{fmt, str::FromStr};

/// A SHA-1 object id. Prints and reads as 40 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(pub [u8; 20]);

/// A text or byte string that is not an object id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an object id is 40 hexadecimal digits or 20 bytes")]
pub struct MalformedOid;

impl Oid {
    /// The 20 bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// From exactly 20 bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, MalformedOid> {
        bytes.try_into().map(Self).map_err(|_| MalformedOid)
    }
}

impl From<[u8; 20]> for Oid {
    fn from(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Oid {
    type Err = MalformedOid;

    fn from_str(text: &str) -> Result<Self, MalformedOid> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let digits: [u8; 40] = text.as_bytes().try_into().map_err(|_| MalformedOid)?;
        let mut bytes = [0; 20];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let (high, low) = digit(pair[0]).zip(digit(pair[1])).ok_or(MalformedOid)?;
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_id_reads_back_and_nothing_else_reads_as_one() {
        let text = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(text.parse::<Oid>().unwrap().to_string(), text);
        for bad in ["", "0123", &text.to_uppercase(), &format!("{text}0"), &"é".repeat(20)] {
            assert_eq!(bad.parse::<Oid>(), Err(MalformedOid), "{bad}");
        }
        assert_eq!(Oid::from_slice(&[1; 19]), Err(MalformedOid));
    }
}
