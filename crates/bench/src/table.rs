//! Owns how figures are shown. Refuses to round a target into being met.

use std::fmt::Write as _;

/// How a figure stands to its target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Standing {
    Met,
    /// Not met, but no further off than by this factor, which the target allows at first.
    Within(f64),
    Missed,
}

impl Standing {
    /// Whether `value` is at least `target`; `slack` is by which factor it may fall short at first.
    pub(crate) fn at_least(value: f64, target: f64, slack: f64) -> Self {
        Self::at_most(target, value, slack)
    }

    /// Whether `value` is at most `target`.
    pub(crate) fn at_most(value: f64, target: f64, slack: f64) -> Self {
        if value <= target {
            Self::Met
        } else if value <= target * slack {
            Self::Within(slack)
        } else {
            Self::Missed
        }
    }

    pub(crate) fn word(self) -> String {
        match self {
            Self::Met => "met".into(),
            Self::Within(slack) => format!("within {slack:.0}x"),
            Self::Missed => "MISSED".into(),
        }
    }
}

/// A table in Markdown, aligned for a terminal too.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(heads: &[&str]) -> Self {
        Self { rows: vec![heads.iter().map(|head| (*head).to_owned()).collect()] }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(crate) fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            for (cell, width) in row.iter().zip(&widths) {
                write!(text, "| {cell:<width$} ").expect("writing to a string does not fail");
            }
            text.push_str("|\n");
            if number == 0 {
                for width in &widths {
                    text.push('|');
                    text.push_str(&"-".repeat(width + 2));
                }
                text.push_str("|\n");
            }
        }
        text
    }
}

/// Microseconds, with three figures that count.
pub(crate) fn time(microseconds: f64) -> String {
    match microseconds {
        us if us < 10.0 => format!("{us:.1} us"),
        us if us < 1_000.0 => format!("{us:.0} us"),
        us if us < 10_000.0 => format!("{:.2} ms", us / 1e3),
        us if us < 1_000_000.0 => format!("{:.1} ms", us / 1e3),
        us => format!("{:.1} s", us / 1e6),
    }
}

/// Bytes, by thousands.
pub(crate) fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with three figures")]
    let amount = bytes as f64;
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..1_000_000 => format!("{:.0} KB", amount / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", amount / 1e6),
        _ => format!("{:.2} GB", amount / 1e9),
    }
}

/// How many times.
pub(crate) fn times(ratio: f64) -> String {
    if ratio >= 10.0 { format!("{ratio:.0}x") } else { format!("{ratio:.2}x") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_only_when_it_is() {
        assert_eq!(Standing::at_least(400.0, 400.0, 2.0), Standing::Met);
        assert_eq!(Standing::at_least(399.9, 400.0, 2.0), Standing::Within(2.0));
        assert_eq!(Standing::at_least(199.0, 400.0, 2.0), Standing::Missed);
        assert_eq!(Standing::at_most(1.26, 1.25, 2.0), Standing::Within(2.0));
        assert_eq!(Standing::at_most(2.51, 1.25, 2.0), Standing::Missed);
    }
}
