//! Reads moments and ages from the command line: a span such as `14d`, or an RFC 3339 time to come.

use jiff::{SignedDuration, Timestamp};

/// A text that is no moment to come.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no time to come: give a span such as 12h, 14d, 6w, 1y, or a time such as {example}")]
pub(crate) struct InvalidMoment {
    text: String,
    example: Timestamp,
}

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Reads `text`. Spans: `30s`, `15m`, `12h`, `14d`, `6w`, `1y` (365 days).
pub(crate) fn moment(text: &str, now: Timestamp) -> Result<Timestamp, InvalidMoment> {
    span(text)
        .and_then(|seconds| now.checked_add(SignedDuration::from_secs(seconds)).ok())
        .or_else(|| text.parse().ok())
        .filter(|moment| *moment > now)
        .ok_or_else(|| InvalidMoment {
            text: text.chars().take(64).collect(),
            example: now.checked_add(SignedDuration::from_secs(30 * DAY)).unwrap_or(now),
        })
}

/// A text that is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an age: give one such as 30s, 15m, 12h or 14d")]
pub(crate) struct InvalidAge {
    text: String,
}

/// Reads a length of time, in the same units as [`moment`].
pub(crate) fn age(text: &str) -> Result<SignedDuration, InvalidAge> {
    let seconds = span(text).ok_or_else(|| InvalidAge { text: text.chars().take(64).collect() })?;
    Ok(SignedDuration::from_secs(seconds))
}

fn span(text: &str) -> Option<i64> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => HOUR,
        'd' => DAY,
        'w' => 7 * DAY,
        'y' => 365 * DAY,
        _ => return None,
    };
    let count: u32 = text[..text.len() - 1].parse().ok()?;
    i64::from(count).checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_times_to_come_are_read_and_all_else_is_explained() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let read = |text| moment(text, now).map(|m| m.to_string());
        assert_eq!(read("14d").unwrap(), "2026-12-04T12:00:00Z");
        assert_eq!(read("1y").unwrap(), "2027-11-20T12:00:00Z");
        assert_eq!(read("2027-01-01T00:00:00+01:00").unwrap(), "2026-12-31T23:00:00Z");
        for bad in ["", "0d", "-1d", "d", "tomorrow", "2020-01-01T00:00:00Z", "9999999999y", "5é"] {
            assert!(read(bad).unwrap_err().to_string().contains("such as"), "{bad}");
        }
    }

    #[test]
    fn ages_are_read_and_may_be_nothing() {
        assert_eq!(age("0s").unwrap(), SignedDuration::ZERO);
        assert_eq!(age("36h").unwrap(), SignedDuration::from_hours(36));
        assert!(age("2026-01-01T00:00:00Z").unwrap_err().to_string().contains("15m"));
    }
}
