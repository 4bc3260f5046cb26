//! Recovery codes: what opens an account whose owner has lost every other second factor. Each works once; only its hash
//! is stored.
//!
//! A code has 120 bits, so a fast hash without salt is enough (OWASP ASVS 5.0, 6.5.2).

use std::fmt;

use rand::{Rng as _, RngCore};

use crate::secret::SecretHash;

/// How many codes a person gets.
pub const COUNT: usize = 10;
/// Crockford's base 32: no `i`, `l`, `o`, `u`.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const GROUPS: usize = 4;
const GROUP: usize = 6;

/// A code, without hyphens and in small letters.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode(String);

/// A text that cannot be a recovery code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a recovery code has {} letters and digits", GROUPS * GROUP)]
pub struct MalformedCode;

impl RecoveryCode {
    /// A new code from `rng`, which must be fit for secrets.
    pub fn generate(rng: &mut dyn RngCore) -> Self {
        let letter = |_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]);
        Self((0..GROUPS * GROUP).map(letter).collect())
    }

    /// Reads what a person typed or pasted: case, spaces and hyphens don't matter, and letters that look like a digit
    /// are read as that digit.
    ///
    /// # Errors
    /// [`MalformedCode`].
    pub fn parse(typed: &str) -> Result<Self, MalformedCode> {
        let mut text = String::with_capacity(GROUPS * GROUP);
        for char in typed.chars().filter(|char| !char.is_whitespace() && *char != '-') {
            let read = match char.to_ascii_lowercase() {
                'i' | 'l' => '1',
                'o' => '0',
                other => other,
            };
            if !read.is_ascii() || !ALPHABET.contains(&(read as u8)) || text.len() == GROUPS * GROUP {
                return Err(MalformedCode);
            }
            text.push(read);
        }
        if text.len() == GROUPS * GROUP { Ok(Self(text)) } else { Err(MalformedCode) }
    }

    /// What to store and compare.
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&format!("recovery code {}", self.0))
    }

    /// The code as it is shown, once: in groups with hyphens.
    pub fn reveal(&self) -> String {
        let groups: Vec<&str> =
            self.0.as_bytes().chunks(GROUP).filter_map(|group| std::str::from_utf8(group).ok()).collect();
        groups.join("-")
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    #[test]
    fn a_code_reads_back_however_it_is_typed_and_prints_redacted() {
        let code = RecoveryCode::generate(&mut StdRng::seed_from_u64(1));
        let shown = code.reveal();
        assert_eq!(shown.len(), 27);
        for typed in [shown.clone(), shown.to_uppercase(), shown.replace('-', " "), shown.replace('-', "")] {
            assert_eq!(RecoveryCode::parse(&typed), Ok(code.clone()), "{typed}");
        }
        assert!(!format!("{code:?}").contains(&shown[..6]));
        let confused = RecoveryCode::parse("oOiIlL-oOiIlL-oOiIlL-oOiIlL").unwrap();
        assert_eq!(confused.reveal(), "001111-001111-001111-001111");
    }

    #[test]
    fn a_code_that_is_too_short_too_long_or_has_other_letters_is_refused() {
        let shown = RecoveryCode::generate(&mut StdRng::seed_from_u64(1)).reveal();
        for bad in ["", "123456", &shown[1..], &format!("{shown}0"), &format!("{}u", &shown[1..])] {
            assert_eq!(RecoveryCode::parse(bad), Err(MalformedCode), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_parsing_panic(text: String) {
            let _ = RecoveryCode::parse(&text);
        }
    }
}
