//! Passwords that attackers try first, however they are spelled: the most common ones from public breaches, those
//! with a few digits and symbols around them, famous passphrases, and a season or month with its year.
//!
//! The estimate in [`super`] counts how many guesses a password takes by its parts. It doesn't know that a
//! passphrase of four good words was printed in a comic that everybody has read, or how many people pick the
//! current season when they have to change their password.

use std::{collections::HashSet, io::Read as _, sync::LazyLock};

use flate2::read::GzDecoder;
use unicode_normalization::UnicodeNormalization as _;

/// See `data/README.md` for where it comes from.
const COMMON: &[u8] = include_bytes!("../../data/common-passwords.txt.gz");
const PHRASES: &str = include_str!("../../data/known-phrases.txt");

/// Seasons, months and days of the week in the languages of most leaked passwords. Shorter names are left out:
/// "may" and "mai" are parts of too many words.
const CALENDAR: &[&str] = &[
    "spring",
    "summer",
    "autumn",
    "winter",
    "january",
    "february",
    "march",
    "april",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "frühling",
    "fruehling",
    "fruhling",
    "frühjahr",
    "sommer",
    "herbst",
    "januar",
    "februar",
    "märz",
    "maerz",
    "marz",
    "juni",
    "juli",
    "oktober",
    "dezember",
    "montag",
    "dienstag",
    "mittwoch",
    "donnerstag",
    "freitag",
    "samstag",
    "sonntag",
    "printemps",
    "été",
    "automne",
    "hiver",
    "janvier",
    "février",
    "fevrier",
    "mars",
    "avril",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
    "decembre",
    "lundi",
    "mardi",
    "mercredi",
    "jeudi",
    "vendredi",
    "samedi",
    "dimanche",
    "primavera",
    "verano",
    "otoño",
    "otono",
    "invierno",
    "enero",
    "febrero",
    "marzo",
    "abril",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
    "estate",
    "autunno",
    "inverno",
    "gennaio",
    "febbraio",
    "giugno",
    "luglio",
    "settembre",
    "ottobre",
    "dicembre",
    "lente",
    "zomer",
    "herfst",
    "januari",
    "februari",
    "maart",
    "augustus",
    "лето",
    "зима",
    "весна",
    "осень",
];

/// The most characters around a known password that still leave it known.
const MAX_DECORATION: usize = 8;
/// The most digits among them: a year, or what people add to get past a rule.
const MAX_DIGITS: usize = 4;
/// A shorter word in the middle says nothing about the whole.
const MIN_CORE: usize = 4;

/// How a password is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It is on the list.
    Common,
    /// A password on the list with digits and symbols around it.
    Decorated,
    /// A passphrase that everybody can read somewhere.
    Phrase,
    /// A season, month or weekday with a year.
    Calendar,
}

impl Known {
    /// What to tell the person who chose it.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Common => "this password is on the lists that attackers try first",
            Self::Decorated => {
                "a common password with digits or symbols around it is on the lists that attackers try first"
            }
            Self::Phrase => "this passphrase is well known, and attackers try it",
            Self::Calendar => "a season, month or weekday with a year is among the first guesses",
        }
    }
}

static LIST: LazyLock<HashSet<Box<str>>> = LazyLock::new(|| {
    let mut text = String::new();
    GzDecoder::new(COMMON).read_to_string(&mut text).expect("the list was checked by a test of ours");
    text.lines().filter(|line| !line.is_empty()).map(Box::from).collect()
});

/// How `password` is known, if it is.
pub(super) fn recognize(password: &str) -> Option<Known> {
    let folded: String = password.nfkc().flat_map(char::to_lowercase).collect();
    let plain = unleet(&folded);
    if LIST.contains(folded.as_str()) || LIST.contains(plain.as_str()) {
        return Some(Known::Common);
    }
    if is_phrase(&folded) || is_phrase(&plain) {
        return Some(Known::Phrase);
    }
    by_core(&folded, |c| !c.is_alphabetic()).or_else(|| by_core(&folded, |c| !c.is_alphanumeric()))
}

/// Whether it is a known phrase, with whatever between its words and a few characters around it.
fn is_phrase(folded: &str) -> bool {
    let squashed: String = folded.chars().filter(|c| c.is_alphanumeric()).collect();
    let length = squashed.chars().count();
    PHRASES
        .lines()
        .any(|phrase| squashed.contains(phrase) && length - phrase.chars().count() <= MAX_DECORATION)
}

/// Looks at what is left once `is_decoration` was taken off both ends.
fn by_core(folded: &str, is_decoration: impl Fn(char) -> bool) -> Option<Known> {
    let core = folded.trim_matches(&is_decoration);
    let decoration = folded.chars().count() - core.chars().count();
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).count();
    let digits = digits(folded) - digits(core);
    if core.chars().count() < MIN_CORE || decoration > MAX_DECORATION || digits > MAX_DIGITS {
        return None;
    }
    if digits >= 2 && CALENDAR.contains(&core) {
        return Some(Known::Calendar);
    }
    (LIST.contains(core) || LIST.contains(unleet(core).as_str())).then_some(Known::Decorated)
}

/// The letters that digits and symbols stand for: `p@ssw0rd` is `password`.
fn unleet(text: &str) -> String {
    let letter = |c| match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    };
    text.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_whole_and_in_the_form_that_is_looked_up() {
        assert_eq!(LIST.len(), 19_640);
        assert!(LIST.iter().all(|line| line.to_lowercase() == **line && line.trim() == &**line));
        assert!(PHRASES.lines().is_sorted());
        let is_plain = |phrase: &str| phrase.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        assert!(PHRASES.lines().all(|phrase| phrase.len() >= 9 && is_plain(phrase)));
    }

    #[test]
    fn a_known_password_is_recognized_in_every_spelling() {
        for (password, known) in [
            ("1q2w3e4r5t6y", Known::Common),
            ("Q1W2E3R4T5Y6", Known::Common),
            ("Password!!11", Known::Decorated),
            ("P@ssw0rd2023", Known::Decorated),
            ("!!dragon2024", Known::Decorated),
            ("ｐａｓｓｗｏｒｄ９９!!", Known::Decorated),
            ("abc123!!!!!!", Known::Decorated),
            ("correcthorsebatterystaple", Known::Phrase),
            ("Correct Horse Battery Staple", Known::Phrase),
            ("correct-horse-battery-staple-1!", Known::Phrase),
            ("c0rrecth0rsebatterystaple", Known::Phrase),
            ("MayTheForceBeWithYou", Known::Phrase),
            ("Sommer2023!!", Known::Calendar),
            ("Herbst-2026!", Known::Calendar),
            ("2025Summer!!", Known::Calendar),
            ("September24!", Known::Calendar),
        ] {
            assert_eq!(recognize(password), Some(known), "{password}");
        }
    }

    #[test]
    fn a_known_word_among_others_leaves_a_password_unknown() {
        for password in [
            "violet tractor harvest moon",
            "copper lantern quietly drifts",
            "summer tractor monday lantern",
            "horse battery lantern drifts",
            "wUw8uUc5tDkq3s",
            "dragon84-lantern",
            "пятнистый жираф у моря",
            "正しい馬の電池の留め金",
        ] {
            assert_eq!(recognize(password), None, "{password}");
        }
    }
}
