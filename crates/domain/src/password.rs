//! Which passwords are good enough. Nobody has to use digits or symbols: what counts is how many guesses a
//! password takes, and whether attackers already have it on a list (NIST SP 800-63B, section 3.1.1.2).

mod known;

use zxcvbn::{Score, feedback::Warning, zxcvbn};

/// The fewest characters.
pub const MIN_CHARS: usize = 10;
/// The most characters; a bound on what a sign-in may cost us.
pub const MAX_CHARS: usize = 256;
/// How much of a password is estimated. The estimate's time grows faster than the length, and a password that
/// starts strong is strong.
const ESTIMATED_CHARS: usize = 72;

/// Why a password is not good enough, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Fewer than [`MIN_CHARS`].
    #[error("a password has at least {MIN_CHARS} characters: three or four unrelated words do well")]
    Short,
    /// More than [`MAX_CHARS`].
    #[error("a password has at most {MAX_CHARS} characters")]
    Long,
    /// It was found in a breach.
    #[error(
        "this password appeared in a data breach: choose three or four unrelated words, or let a password manager \
         make one"
    )]
    Breached,
    /// It can be guessed.
    #[error("{why}: choose three or four unrelated words, or let a password manager make one")]
    Guessable {
        /// What makes it so.
        why: &'static str,
    },
}

/// Checks whether `password` is good enough for somebody of whom everybody knows the `hints`: name and email
/// address.
///
/// # Errors
/// [`WeakPassword`], whose text is for the person. Never [`WeakPassword::Breached`]: only a service knows that.
pub fn check(password: &str, hints: &[&str]) -> Result<(), WeakPassword> {
    let mut chars = password.chars();
    if chars.nth(MIN_CHARS - 1).is_none() {
        return Err(WeakPassword::Short);
    }
    // Before anything that takes longer the longer the text is, counting included.
    if chars.nth(MAX_CHARS - MIN_CHARS).is_some() {
        return Err(WeakPassword::Long);
    }
    if let Some(known) = known::recognize(password) {
        return Err(WeakPassword::Guessable { why: known.reason() });
    }
    let known: Vec<&str> = hints
        .iter()
        .flat_map(|hint| std::iter::once(*hint).chain(hint.split(['@', '.', '-', '_', '+', ' '])))
        .filter(|word| word.chars().count() >= 3)
        .chain(["skaas", "skillport"])
        .collect();
    let begins: String = password.chars().take(ESTIMATED_CHARS).collect();
    let estimate = zxcvbn(&begins, &known);
    if estimate.score() >= Score::Three {
        return Ok(());
    }
    let warning = estimate.feedback().and_then(zxcvbn::feedback::Feedback::warning);
    Err(WeakPassword::Guessable { why: reason(warning) })
}

const fn reason(warning: Option<Warning>) -> &'static str {
    match warning {
        Some(Warning::ThisIsATop10Password | Warning::ThisIsATop100Password) => {
            "this is one of the most used passwords there are"
        }
        Some(Warning::ThisIsACommonPassword | Warning::ThisIsSimilarToACommonlyUsedPassword) => {
            "this password, or one like it, is in the lists that attackers try first"
        }
        Some(
            Warning::NamesAndSurnamesByThemselvesAreEasyToGuess
            | Warning::CommonNamesAndSurnamesAreEasyToGuess,
        ) => "names are easy to guess",
        Some(Warning::StraightRowsOfKeysAreEasyToGuess | Warning::ShortKeyboardPatternsAreEasyToGuess) => {
            "rows of keys are easy to guess"
        }
        Some(
            Warning::RepeatsLikeAaaAreEasyToGuess
            | Warning::RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess
            | Warning::SequencesLikeAbcAreEasyToGuess,
        ) => "repetitions and sequences are easy to guess",
        Some(Warning::DatesAreOftenEasyToGuess | Warning::RecentYearsAreEasyToGuess) => {
            "dates are easy to guess"
        }
        Some(Warning::AWordByItselfIsEasyToGuess) => "a single word is easy to guess",
        None => "this password can be guessed",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HINTS: &[&str] = &["marguerite", "marguerite.dupont@example.com"];

    #[test]
    fn what_everybody_tries_first_is_refused_with_advice() {
        for bad in [
            "password123",
            "qwertyuiop",
            "1234567890",
            "iloveyou12",
            "aaaaaaaaaaaa",
            "abcdefghijkl",
            "marguerite1",
            "Dupont2024!",
            "marguerite.dupont@example.com",
            "skillportskaas",
            "P@ssw0rd2023",
        ] {
            let refusal = check(bad, HINTS).unwrap_err();
            assert!(matches!(refusal, WeakPassword::Guessable { .. }), "{bad}: {refusal:?}");
            let said = refusal.to_string();
            assert!(said.contains("three or four unrelated words") && !said.contains(bad), "{said}");
        }
    }

    #[test]
    fn a_password_that_is_on_a_list_is_refused_however_strong_it_looks() {
        for (known, why) in [
            ("correcthorsebatterystaple", "this passphrase is well known"),
            ("Correct Horse Battery Staple", "this passphrase is well known"),
            ("Sommer2023!!", "a season, month or weekday with a year"),
        ] {
            assert!(zxcvbn(known, HINTS).score() >= Score::Three, "the estimate alone would take {known}");
            let refusal = check(known, HINTS).unwrap_err().to_string();
            assert!(refusal.starts_with(why), "{refusal}");
        }
    }

    #[test]
    fn length_is_counted_in_characters_not_bytes() {
        assert_eq!(check("héllo wör", HINTS), Err(WeakPassword::Short));
        assert!(!matches!(check(&"ü".repeat(MIN_CHARS), HINTS), Err(WeakPassword::Short)));
        assert!(!matches!(check(&"ü".repeat(MAX_CHARS), HINTS), Err(WeakPassword::Long)));
        assert_eq!(check(&"ü".repeat(MAX_CHARS + 1), HINTS), Err(WeakPassword::Long));
        assert_eq!(check(&"violet tractor ".repeat(17)[..MAX_CHARS - 2], HINTS), Ok(()));
    }

    #[test]
    fn a_password_of_megabytes_is_refused_without_looking_at_it() {
        // A mixed text, which would be the most work to estimate.
        let long = "kT7#ü violet-Tractor 1987 ".repeat(400_000);
        let started = std::time::Instant::now();
        for _ in 0..1000 {
            assert_eq!(check(&long, HINTS), Err(WeakPassword::Long));
        }
        // 10 MB a thousand times: reading them once each would take more than a minute here.
        assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    }

    #[test]
    fn words_of_ones_own_and_made_ones_are_good() {
        for good in [
            "violet tractor harvest moon",
            "wUw8uUc5tDkq3s",
            "пятнистый жираф у моря",
            "正しい馬の電池の留め金",
        ] {
            assert_eq!(check(good, HINTS), Ok(()), "{good}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn no_text_makes_it_panic(text in ".{0,300}", hint in ".{0,40}") {
            let _ = check(&text, &[&hint]);
        }
    }
}
