//! The prices of a listing, and the rules they keep. How a single price is written is in [`crate::money`]; who may have
//! a skill is decided in [`crate::entitlement`].
//!
//! A price never changes. A new amount is a new price, and the one before is archived: orders name the price they were
//! made at.

use std::fmt;

use crate::{
    id::PriceId,
    money::{Interval, Price},
};

/// The most active prices of a listing.
pub const MAX_PRICES: usize = 8;

/// A price of a listing, with the ID that orders know it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedPrice {
    /// Which price.
    pub id: PriceId,
    /// The amount and the interval.
    pub price: Price,
}

impl ListedPrice {
    /// What two active prices of a listing can't have in common: the interval and the currency. A free price has
    /// neither.
    fn slot(&self) -> Option<(Interval, &'static str)> {
        match self.price {
            Price::Free => None,
            Price::Paid { amount, interval } => Some((interval, amount.currency.code())),
        }
    }

    /// How it sorts: by interval, then by currency. The ID makes the order total.
    fn key(&self) -> (Option<(Interval, &'static str)>, PriceId) {
        (self.slot(), self.id)
    }
}

/// Prices that a listing can't have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPrices {
    /// More than [`MAX_PRICES`].
    #[error("a listing has at most {MAX_PRICES} active prices; archive one first")]
    TooMany,
    /// Two for one currency and interval.
    #[error("a listing has at most one active price for each currency and interval")]
    Twice,
    /// A free price beside a paid one.
    #[error("a skill is either free or has paid prices")]
    FreeAndPaid,
    /// The price to archive is not active here.
    #[error("{0} is not an active price of this skill")]
    Absent(PriceId),
}

/// The active prices of a listing: none (not for sale), one that is free, or up to [`MAX_PRICES`] paid ones, at most one
/// for each currency and interval. Sorted by interval, then by currency.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prices(Vec<ListedPrice>);

impl Prices {
    /// Checks and sorts prices.
    pub fn new(mut prices: Vec<ListedPrice>) -> Result<Self, InvalidPrices> {
        prices.sort_unstable_by_key(ListedPrice::key);
        if prices.windows(2).any(|pair| pair[0].slot() == pair[1].slot()) {
            return Err(InvalidPrices::Twice);
        }
        if prices.len() > 1 && prices.iter().any(|listed| listed.price == Price::Free) {
            return Err(InvalidPrices::FreeAndPaid);
        }
        if prices.len() > MAX_PRICES {
            return Err(InvalidPrices::TooMany);
        }
        Ok(Self(prices))
    }

    /// The only price, `price`. If it is already active, it keeps its ID.
    #[must_use]
    pub fn only(&self, id: PriceId, price: Price) -> Self {
        let kept = self.0.iter().find(|listed| listed.price == price);
        Self(vec![kept.copied().unwrap_or(ListedPrice { id, price })])
    }

    /// These prices with `price` in place of the one for its currency and interval. A free price replaces all others,
    /// and a paid one replaces a free one. A price that is already active keeps its ID.
    pub fn with(&self, id: PriceId, price: Price) -> Result<Self, InvalidPrices> {
        if price == Price::Free || self.is_free() {
            return Ok(self.only(id, price));
        }
        if self.0.iter().any(|listed| listed.price == price) {
            return Ok(self.clone());
        }
        let new = ListedPrice { id, price };
        let others = self.0.iter().copied().filter(|listed| listed.slot() != new.slot());
        Self::new(others.chain([new]).collect())
    }

    /// These prices without the one of this ID.
    pub fn without(&self, id: PriceId) -> Result<Self, InvalidPrices> {
        let rest: Vec<ListedPrice> = self.0.iter().copied().filter(|listed| listed.id != id).collect();
        if rest.len() == self.0.len() { Err(InvalidPrices::Absent(id)) } else { Ok(Self(rest)) }
    }

    /// The prices in order.
    pub fn iter(&self) -> std::slice::Iter<'_, ListedPrice> {
        self.0.iter()
    }

    /// The price that is shown where there is room for one.
    pub fn first(&self) -> Option<Price> {
        self.0.first().map(|listed| listed.price)
    }

    /// Whether there is none: the skill can only be granted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether everybody has the full version for nothing.
    pub fn is_free(&self) -> bool {
        self.first() == Some(Price::Free)
    }

    /// Whether it has to be paid for.
    pub fn is_paid(&self) -> bool {
        !self.is_empty() && !self.is_free()
    }

    /// What people read: `$9`, `$9 a month or $90 a year`; `None` if it isn't for sale.
    pub fn text(&self) -> Option<String> {
        (!self.is_empty()).then(|| self.to_string())
    }
}

impl<'a> IntoIterator for &'a Prices {
    type Item = &'a ListedPrice;
    type IntoIter = std::slice::Iter<'a, ListedPrice>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Prices {
    /// `free`, `$9`, `€8, $9 or $90 a year`; nothing if it isn't for sale.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, listed) in self.0.iter().enumerate() {
            let last = at + 1 == self.0.len();
            f.write_str(if at == 0 {
                ""
            } else if last {
                " or "
            } else {
                ", "
            })?;
            listed.price.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::Timestamp;
    use proptest::prelude::*;
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    fn id(number: u64) -> PriceId {
        PriceId::new(Timestamp::from_second(1_800_000_000).unwrap(), &mut StdRng::seed_from_u64(number))
    }

    fn price(minor: i64, currency: &str, interval: Interval) -> Price {
        Price::new(minor, currency, interval).unwrap()
    }

    /// An act on a listing's prices.
    #[derive(Debug, Clone)]
    enum Act {
        With(Price),
        Only(Price),
        /// Archives the price at this place, modulo how many there are.
        Without(usize),
    }

    fn any_price() -> impl Strategy<Value = Price> {
        let currency = prop::sample::select(vec!["USD", "EUR", "GBP", "JPY", "KWD"]);
        let interval = prop::sample::select(vec![Interval::Once, Interval::Month, Interval::Year]);
        (0_i64..4, currency, interval)
            .prop_map(|(minor, currency, interval)| price(minor, currency, interval))
    }

    fn any_act() -> impl Strategy<Value = Act> {
        prop_oneof![
            12 => any_price().prop_map(Act::With),
            1 => any_price().prop_map(Act::Only),
            2 => (0_usize..8).prop_map(Act::Without),
        ]
    }

    /// The rules, in other words than those of the type.
    fn keeps_the_rules(prices: &Prices) -> bool {
        let slots: Vec<String> = prices
            .iter()
            .map(|listed| match listed.price {
                Price::Free => "free".to_owned(),
                Price::Paid { amount, interval } => {
                    format!("{} {}", amount.currency.code(), interval.as_str())
                }
            })
            .collect();
        let different: BTreeSet<&String> = slots.iter().collect();
        let free = slots.iter().any(|slot| slot == "free");
        different.len() == slots.len() && slots.len() <= 8 && (!free || slots.len() == 1)
    }

    proptest! {
        #[test]
        fn whatever_is_done_a_listing_has_at_most_one_price_for_each_currency_and_interval_and_eight_in_all(
            acts in prop::collection::vec(any_act(), 0..40),
        ) {
            let mut prices = Prices::default();
            let mut used = BTreeSet::new();
            for (number, act) in acts.into_iter().enumerate() {
                let new = id(number as u64);
                let before = prices.clone();
                let after = match &act {
                    Act::With(price) => prices.with(new, *price),
                    Act::Only(price) => Ok(prices.only(new, *price)),
                    Act::Without(at) if prices.is_empty() => { prop_assert_eq!(prices.without(new), Err(InvalidPrices::Absent(new)), "{}", at); continue }
                    Act::Without(at) => prices.without(prices.0[at % prices.0.len()].id),
                };
                match after {
                    Ok(after) => prices = after,
                    Err(error) => prop_assert_eq!((error, before.0.len()), (InvalidPrices::TooMany, MAX_PRICES)),
                }
                prop_assert!(keeps_the_rules(&prices), "{:?}: {:?}", act, prices);
                prop_assert_eq!(&Prices::new(prices.0.iter().rev().copied().collect()).unwrap(), &prices);
                // An ID means one price, permanently: what is kept is unchanged, and what comes is new.
                for listed in &prices {
                    if !before.0.contains(listed) {
                        prop_assert_eq!(listed.id, new);
                        prop_assert!(used.insert(listed.id), "an ID came back");
                    }
                }
            }
        }

        #[test]
        fn prices_that_break_a_rule_are_refused(prices in prop::collection::vec(any_price(), 0..12)) {
            let listed: Vec<ListedPrice> =
                prices.iter().zip(0..).map(|(price, number)| ListedPrice { id: id(number), price: *price }).collect();
            let unchecked = Prices(listed.clone());
            prop_assert_eq!(Prices::new(listed).is_ok(), keeps_the_rules(&unchecked));
        }
    }

    #[test]
    fn one_price_reads_as_before_and_several_read_as_a_list() {
        let none = Prices::default();
        let dollars = none.with(id(1), price(900, "USD", Interval::Month)).unwrap();
        let two = dollars.with(id(2), price(9000, "USD", Interval::Year)).unwrap();
        let three = two.with(id(3), price(800, "EUR", Interval::Month)).unwrap();
        assert_eq!(none.text(), None);
        assert_eq!(none.only(id(9), Price::Free).text().unwrap(), "free");
        assert_eq!(dollars.text().unwrap(), "$9 a month");
        assert_eq!(two.text().unwrap(), "$9 a month or $90 a year");
        assert_eq!(three.text().unwrap(), "€8 a month, $9 a month or $90 a year");
    }

    #[test]
    fn the_same_price_again_keeps_its_id_and_another_amount_is_another_price() {
        let one = Prices::default().with(id(1), price(900, "USD", Interval::Once)).unwrap();
        assert_eq!(one.with(id(2), price(900, "USD", Interval::Once)).unwrap(), one);
        assert_eq!(one.only(id(2), price(900, "USD", Interval::Once)), one);
        let dearer = one.with(id(2), price(1000, "USD", Interval::Once)).unwrap();
        assert_eq!(dearer.iter().map(|listed| listed.id).collect::<Vec<_>>(), [id(2)]);
    }
}
