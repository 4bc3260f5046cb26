//! Owns how times are told: how long ago, with the exact moment in the title. Refuses to read a clock.

use jiff::Timestamp;

/// A moment as a page tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    /// `3 hours ago`, `in 2 days`.
    pub(crate) relative: String,
    /// `2026-11-20 18:04 UTC`.
    pub(crate) exact: String,
    /// For machines: RFC 3339.
    pub(crate) machine: String,
}

impl Moment {
    pub(crate) fn new(at: Timestamp, now: Timestamp) -> Self {
        Self {
            relative: relative(at, now),
            exact: at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
            machine: at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }
    }

    pub(crate) fn maybe(at: Option<Timestamp>, now: Timestamp) -> Option<Self> {
        at.map(|at| Self::new(at, now))
    }
}

fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.duration_since(now).as_secs();
    // What lies ahead is told to the nearest unit: "30 days" are not 29 a second later.
    let ahead = u64::from(seconds > 0);
    let (count, unit) = match seconds.unsigned_abs() {
        0..60 => return if seconds > 0 { "in a moment" } else { "just now" }.to_owned(),
        s @ 60..3600 => ((s + 30 * ahead) / 60, "minute"),
        s @ 3600..86_400 => ((s + 1800 * ahead) / 3600, "hour"),
        s => ((s + 43_200 * ahead) / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    if seconds > 0 { format!("in {count} {unit}{plural}") } else { format!("{count} {unit}{plural} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_largest_unit_that_fits() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        for (seconds, text) in [
            (0, "just now"),
            (-59, "just now"),
            (30, "in a moment"),
            (-60, "1 minute ago"),
            (-7200, "2 hours ago"),
            (86_400 * 90, "in 90 days"),
            (86_400 * 30 - 1, "in 30 days"),
            (-86_399, "23 hours ago"),
        ] {
            let at = now + jiff::SignedDuration::from_secs(seconds);
            assert_eq!(relative(at, now), text);
        }
        assert_eq!(Moment::new(now, now).exact, "2027-01-15 08:00 UTC");
    }
}
