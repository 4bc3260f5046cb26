//! Everything the command line prints or asks: results on standard output, the rest on standard error, color only
//! on a terminal. No other module prints.

use std::{
    io::{BufRead as _, IsTerminal as _, Write as _},
    process::ExitCode,
};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::{failure::Failure, places};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const RED: Style = AnsiColor::Red.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default();

/// The most characters of another program's or the server's text on one line.
const MAX_FOREIGN: usize = 500;

/// Prints one JSON document. Characters that a terminal obeys are escaped; they can only be inside strings.
pub(crate) fn json(value: &impl Serialize) {
    line(&json_text(serde_json::to_string_pretty(value)));
}

fn json_text(text: serde_json::Result<String>) -> String {
    let text = text.expect("our own types have string keys");
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && obeyed(c) {
            let mut units = [0; 2];
            out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// Prints a line of a result. A closed pipe means that the reader has seen enough.
pub(crate) fn line(text: &str) {
    drop(writeln!(anstream::stdout(), "{text}"));
}

/// Prints text unchanged.
pub(crate) fn raw(bytes: &[u8]) {
    drop(std::io::stdout().write_all(bytes));
}

/// Prints something other than the result: progress, a hint, a warning.
pub(crate) fn note(text: &str) {
    drop(writeln!(anstream::stderr(), "{text}"));
}

pub(crate) fn bold(text: &str) -> String {
    format!("{BOLD}{text}{BOLD:#}")
}

pub(crate) fn dim(text: &str) -> String {
    format!("{DIM}{text}{DIM:#}")
}

pub(crate) fn good(text: &str) -> String {
    format!("{GREEN}{text}{GREEN:#}")
}

pub(crate) fn bad(text: &str) -> String {
    format!("{RED}{text}{RED:#}")
}

/// Whether a terminal acts on this character instead of showing it: controls, and the marks that reorder or hide
/// text (Unicode's bidirectional and invisible format characters, and its line separators).
fn obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Text from elsewhere, safe to print on one line: no escape sequences, nothing that reorders or hides text, and
/// not endless.
pub(crate) fn plain(text: &str) -> String {
    let shown: String = text.chars().take(MAX_FOREIGN).map(|c| if obeyed(c) { ' ' } else { c }).collect();
    let cut = if text.chars().nth(MAX_FOREIGN).is_some() { "…" } else { "" };
    format!("{}{cut}", shown.trim())
}

/// Prints columns, each as wide as its widest cell, or `empty` if there are no rows.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>], empty: &str) {
    if rows.is_empty() {
        note(empty);
        return;
    }
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_header(head).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for (number, row) in table.lines().enumerate() {
        let row = row.trim_end();
        line(&if number == 0 { dim(row) } else { row.to_owned() });
    }
}

/// Whether somebody can answer a question: standard input and standard error are both terminals.
pub(crate) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks a question; an empty answer means yes.
pub(crate) fn ask(question: &str) -> bool {
    drop(write!(anstream::stderr(), "{question} [Y/n] "));
    drop(std::io::stderr().flush());
    let mut answer = String::new();
    match std::io::stdin().lock().read_line(&mut answer) {
        // The end of the input is not an answer.
        Ok(0) | Err(_) => false,
        Ok(_) => matches!(answer.trim().to_ascii_lowercase().as_str(), "" | "y" | "yes"),
    }
}

/// Returns a command of ours in the form that works here: through `npx` where `skaas` is not on the PATH.
pub(crate) fn typed(line: &str) -> String {
    if line.starts_with("skaas ") && places::on_path("skaas").is_none() {
        return format!("npx {line}");
    }
    line.to_owned()
}

#[derive(Serialize)]
struct FailureDocument<'a> {
    error: FailureBody<'a>,
}

#[derive(Serialize)]
struct FailureBody<'a> {
    code: &'a str,
    exit_code: u8,
    what: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
}

/// Prints why a command failed, and returns its exit code.
pub(crate) fn fail(failure: &Failure, as_json: bool) -> ExitCode {
    let code = failure.kind.code();
    let next = failure.next.as_deref().map(typed);
    if as_json {
        let error = FailureBody {
            code: failure.kind.word(),
            exit_code: code,
            what: &failure.what,
            why: failure.why.as_deref(),
            next: next.as_deref(),
        };
        note(&json_text(serde_json::to_string(&FailureDocument { error })));
    } else {
        note(&format!("{} {}", bad("error:"), failure.what));
        if let Some(why) = &failure.why {
            note(&format!("  why:  {why}"));
        }
        if let Some(next) = &next {
            note(&format!("  next: {}", bold(next)));
        }
    }
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2Jb\u{202e}c\u{9b}d\u{2028}e\r\nf\u{200b}g\u{e0041}";

    #[test]
    fn foreign_text_cannot_move_the_cursor_or_reorder_a_line() {
        assert_eq!(plain(HOSTILE), "a [2Jb c d e  f g");
        assert_eq!(plain(&"x".repeat(9_000)).chars().count(), MAX_FOREIGN + 1);
    }

    #[test]
    fn json_reads_back_unchanged_and_holds_nothing_that_a_terminal_obeys() {
        let text = json_text(serde_json::to_string_pretty(&[HOSTILE]));
        assert!(text.chars().all(|c| c == '\n' || !obeyed(c)), "{text:?}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&text).unwrap(), [HOSTILE]);
    }
}
