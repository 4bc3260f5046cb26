//! Owns amounts of money and prices. Refuses floating point: amounts are whole minor units.

use std::{fmt, str::FromStr};

use iso_currency::Currency;
use serde::{Deserialize, Serialize};

/// An amount in the minor unit of its currency (ISO 4217: cents for USD, yen for JPY, fils for KWD).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    /// Minor units; never negative in a price.
    pub minor: i64,
    /// ISO 4217.
    pub currency: Currency,
}

impl fmt::Display for Money {
    /// Formats the amount as people read it in English: `$19`, `$12.50`, `€1,200`, `JPY 1,200`. The fraction is
    /// left out where it is zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = usize::from(self.currency.exponent().unwrap_or(0));
        let unit = 10_u64.pow(u32::try_from(digits).expect("at most four digits"));
        let (sign, size) = (if self.minor < 0 { "-" } else { "" }, self.minor.unsigned_abs());
        match symbol(self.currency) {
            Some(symbol) => write!(f, "{sign}{symbol}")?,
            None => write!(f, "{} {sign}", self.currency.code())?,
        }
        f.write_str(&grouped(size / unit))?;
        match size % unit {
            0 => Ok(()),
            fraction => write!(f, ".{fraction:0digits$}"),
        }
    }
}

/// The symbol of a currency, where readers take it for no other one. `¥` and `kr` are shared by several.
const fn symbol(currency: Currency) -> Option<&'static str> {
    match currency {
        Currency::USD => Some("$"),
        Currency::EUR => Some("€"),
        Currency::GBP => Some("£"),
        Currency::INR => Some("₹"),
        Currency::KRW => Some("₩"),
        _ => None,
    }
}

/// The number with a comma between each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// How often a price is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interval {
    /// One payment, for good.
    Once,
    /// Each month.
    Month,
    /// Each year.
    Year,
}

impl Interval {
    /// The word used in columns, options and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

/// A word that is none of those it should be one of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not one of: {expected}")]
pub struct UnknownWord {
    /// What was given.
    pub text: String,
    /// What would have been understood.
    pub expected: &'static str,
}

impl FromStr for Interval {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "once" => Ok(Self::Once),
            "month" => Ok(Self::Month),
            "year" => Ok(Self::Year),
            _ => Err(UnknownWord { text: text.into(), expected: "once, month, year" }),
        }
    }
}

/// What a skill costs. Immutable: a new amount is a new price, and old sales keep theirs. [`crate::prices`] says which
/// prices a listing can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Price {
    /// Everybody has the whole skill.
    Free,
    /// To be paid.
    Paid {
        /// More than zero.
        amount: Money,
        /// How often.
        interval: Interval,
    },
}

/// The largest price in minor units: what the payment provider accepts in one charge.
pub const MAX_PRICE_MINOR: i64 = 99_999_999;

/// A price that cannot be charged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPrice {
    /// Below zero or beyond what can be charged at once.
    #[error("a price is 0 (free) to {MAX_PRICE_MINOR} minor units; {0} is not")]
    Amount(i64),
    /// Not a currency in ISO 4217.
    #[error("{0:?} is not a currency code of ISO 4217, such as USD or EUR")]
    Currency(String),
}

impl Price {
    /// From an amount in minor units (0 is free), an ISO 4217 code in any case, and how often.
    pub fn new(minor: i64, currency: &str, interval: Interval) -> Result<Self, InvalidPrice> {
        if !(0..=MAX_PRICE_MINOR).contains(&minor) {
            return Err(InvalidPrice::Amount(minor));
        }
        let currency = Currency::from_code(&currency.to_ascii_uppercase())
            .filter(|c| c.exponent().is_some())
            .ok_or_else(|| InvalidPrice::Currency(currency.chars().take(16).collect()))?;
        Ok(match minor {
            0 => Self::Free,
            minor => Self::Paid { amount: Money { minor, currency }, interval },
        })
    }
}

impl fmt::Display for Price {
    /// `free`, `$9`, `$9 a month`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free => f.write_str("free"),
            Self::Paid { amount, interval: Interval::Once } => write!(f, "{amount}"),
            Self::Paid { amount, interval } => write!(f, "{amount} a {}", interval.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_prints_as_people_write_it() {
        let show = |minor, code, interval| Price::new(minor, code, interval).unwrap().to_string();
        assert_eq!(show(900, "usd", Interval::Once), "$9");
        assert_eq!(show(1250, "USD", Interval::Month), "$12.50 a month");
        assert_eq!(show(1205, "USD", Interval::Once), "$12.05");
        assert_eq!(show(MAX_PRICE_MINOR, "EUR", Interval::Once), "€999,999.99");
        assert_eq!(show(100_000, "GBP", Interval::Once), "£1,000");
        assert_eq!(show(1200, "JPY", Interval::Month), "JPY 1,200 a month");
        assert_eq!(show(1205, "KWD", Interval::Year), "KWD 1.205 a year");
        assert_eq!(Money { minor: -550, currency: Currency::USD }.to_string(), "-$5.50");
        assert_eq!(show(0, "USD", Interval::Month), "free");
    }

    #[test]
    fn what_cannot_be_charged_is_no_price() {
        assert!(matches!(Price::new(-1, "USD", Interval::Once), Err(InvalidPrice::Amount(-1))));
        assert!(Price::new(MAX_PRICE_MINOR + 1, "USD", Interval::Once).is_err());
        assert!(matches!(Price::new(1, "ZZQ", Interval::Once), Err(InvalidPrice::Currency(_))));
        assert!(Price::new(1, "XXX", Interval::Once).is_err(), "'no currency' is not a currency");
    }
}
