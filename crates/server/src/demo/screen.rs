//! Owns what the tour looks like on a terminal. Refuses colour where nobody sees it.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write};

/// Standard output, with colour on a terminal unless `NO_COLOR` is set.
#[derive(Debug)]
pub(super) struct Screen {
    colour: bool,
}

const BOLD: &str = "1";
const DIM: &str = "2";
const GREEN: &str = "32";
const BLUE: &str = "34";

impl Screen {
    pub(super) fn new() -> Self {
        let colour =
            io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { colour }
    }

    /// The first lines.
    pub(super) fn title(&self, text: &str, below: &str) -> io::Result<()> {
        put(&format!("\n  {}  {}\n\n", self.paint(BOLD, text), self.paint(DIM, below)))
    }

    /// A part of the tour.
    pub(super) fn part(&self, number: u8, title: &str) -> io::Result<()> {
        put(&format!("  {}\n\n", self.paint(BOLD, &format!("{number}  {title}"))))
    }

    /// Whose prompt, and what is typed at it.
    pub(super) fn typed(&self, who: &str, line: &dyn Display) -> io::Result<()> {
        put(&format!("  {} {} {line}\n", self.paint(BLUE, who), self.paint(DIM, "$")))
    }

    /// What a command answered.
    pub(super) fn answer(&self, text: &str) -> io::Result<()> {
        let mut shown = String::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            shown.push_str("      ");
            shown.push_str(&self.paint(DIM, line.trim_end()));
            shown.push('\n');
        }
        put(&shown)
    }

    /// What a step showed.
    pub(super) fn shown(&self, text: &str) -> io::Result<()> {
        put(&format!("    {} {text}\n\n", self.paint(GREEN, "✓")))
    }

    /// A remark above a command to try.
    pub(super) fn remark(&self, text: &str) -> io::Result<()> {
        put(&format!("  {}\n", self.paint(DIM, &format!("# {text}"))))
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A plain line.
pub(super) fn say(text: &str) -> io::Result<()> {
    put(&format!("  {text}\n"))
}

/// An empty line.
pub(super) fn gap() -> io::Result<()> {
    put("\n")
}

/// Text as it is, at once.
pub(super) fn put(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
