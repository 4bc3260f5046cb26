//! Codes of authenticator apps (RFC 6238): six digits, SHA-1 and 30 seconds, which is what every app supports. Where the
//! secret is kept is the caller's business.

use std::fmt;

use jiff::Timestamp;
use rand::RngCore;
use totp_rs::{Algorithm, Builder, Secret, Totp};

/// How long a code is shown, in seconds.
const STEP_S: u64 = 30;
const DIGITS: u8 = 6;
/// How many steps the clock of a phone may be off, in either direction.
const SKEW: u16 = 1;
/// 160 bits, as RFC 4226 recommends in section 4.
const SECRET_BYTES: usize = 20;

/// A count of 30-second periods since 1970: the moving part of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeStep(pub i64);

impl TimeStep {
    /// Comes before every step that a code can have.
    pub const NEVER: Self = Self(-1);
}

/// The secret that an authenticator app and the server share.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpSecret([u8; SECRET_BYTES]);

/// Bytes that are not a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a TOTP secret has {SECRET_BYTES} bytes")]
pub struct WrongLength;

impl TotpSecret {
    /// A new secret from `rng`, which must be fit for secrets.
    pub fn generate(rng: &mut dyn RngCore) -> Self {
        let mut bytes = [0; SECRET_BYTES];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Reads what [`Self::expose`] returned.
    ///
    /// # Errors
    /// [`WrongLength`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WrongLength> {
        bytes.try_into().map(Self).map_err(|_| WrongLength)
    }

    /// The bytes, to be sealed.
    pub const fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The secret as people type it into an app: base 32 in groups of four.
    pub fn to_typed(&self) -> String {
        let text = Secret::from(self.0).to_base32();
        let groups: Vec<&str> =
            text.as_bytes().chunks(4).filter_map(|group| std::str::from_utf8(group).ok()).collect();
        groups.join(" ")
    }

    /// The `otpauth://` address that a QR code holds. `issuer` and `account` are what the app shows.
    pub fn to_uri(&self, issuer: &str, account: &str) -> String {
        // A colon would end the issuer.
        let [issuer, account] = [issuer, account].map(|name| name.replace(':', " "));
        let totp = self.builder().with_issuer(Some(issuer)).with_account_name(account);
        totp.build_noncompliant().to_url().unwrap_or_default()
    }

    /// The step of `typed`, if it is the code of a step around `now` that comes after `last`. A code is accepted once: the
    /// caller stores its step, and passes it as `last` from then on.
    pub fn accepts(&self, typed: &str, now: Timestamp, last: TimeStep) -> Option<TimeStep> {
        let digits: String = typed.chars().filter(|char| !char.is_whitespace()).collect();
        let seconds = u64::try_from(now.as_second()).ok()?;
        let step = self.totp().check(&digits, seconds)?;
        let step = TimeStep(i64::try_from(step).ok()?);
        (step > last).then_some(step)
    }

    /// The code that an app shows at `now`.
    pub fn code_at(&self, now: Timestamp) -> String {
        self.totp().generate(u64::try_from(now.as_second()).unwrap_or(0)).to_string()
    }

    fn builder(&self) -> Builder {
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS)
            .with_skew(SKEW)
            .with_step_duration(STEP_S)
            .with_secret(self.0)
    }

    fn totp(&self) -> Totp {
        self.builder().build_noncompliant()
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        // RFC 6238, appendix B, SHA-1: the last six of eight digits.
        let secret = TotpSecret::from_bytes(b"12345678901234567890").unwrap();
        for (second, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
        ] {
            assert_eq!(secret.code_at(at(second)), code);
            assert_eq!(secret.accepts(code, at(second), TimeStep::NEVER), Some(TimeStep(second / 30)));
        }
    }

    #[test]
    fn a_code_is_accepted_one_step_early_or_late_and_no_further() {
        let secret = TotpSecret::from_bytes(b"12345678901234567890").unwrap();
        let code = secret.code_at(at(1_234_567_890));
        let tried = |after: i64| {
            let now = at(1_234_567_890) + SignedDuration::from_secs(after);
            secret.accepts(&code, now, TimeStep::NEVER).is_some()
        };
        assert!([-30, 0, 29, 30, 59].into_iter().all(tried));
        assert!(![-31, 60, 90, 3600].into_iter().any(tried));
    }

    #[test]
    fn a_code_is_accepted_once_and_never_after_a_later_one() {
        let secret = TotpSecret::from_bytes(b"12345678901234567890").unwrap();
        let (earlier, later) = (at(1_234_567_890), at(1_234_567_920));
        let step = secret.accepts(&secret.code_at(later), later, TimeStep::NEVER).unwrap();
        assert_eq!(secret.accepts(&secret.code_at(later), later, step), None);
        assert_eq!(secret.accepts(&secret.code_at(earlier), later, step), None);
        let next = later + SignedDuration::from_secs(30);
        assert!(secret.accepts(&secret.code_at(next), next, step).is_some());
    }

    #[test]
    fn spaces_in_a_code_are_ignored_and_everything_else_is_refused() {
        let secret = TotpSecret::from_bytes(b"12345678901234567890").unwrap();
        let tried = |text: &str| secret.accepts(text, at(59), TimeStep::NEVER).is_some();
        assert!(tried(" 287 082 "));
        for bad in ["", "287083", "28708", "2870820", "94287082", "２８７０８２", "28708a"] {
            assert!(!tried(bad), "{bad}");
        }
    }

    #[test]
    fn an_app_reads_the_secret_from_the_address_and_logs_never_show_it() {
        let secret = TotpSecret::from_bytes(b"12345678901234567890").unwrap();
        let uri = secret.to_uri("skills.example:8080", "ann");
        assert!(uri.starts_with("otpauth://totp/skills.example%208080:ann?"), "{uri}");
        assert!(uri.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), "{uri}");
        assert_eq!(secret.to_typed(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        assert_eq!(format!("{secret:?}"), "TotpSecret([redacted])");
    }
}
