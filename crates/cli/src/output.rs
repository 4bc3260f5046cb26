//! Owns what the command line prints: results on standard output, everything else on standard error, colour
//! only where a person looks. The only place that prints or asks.

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

/// Prints one JSON document.
pub(crate) fn json(value: &impl Serialize) {
    let text = serde_json::to_string_pretty(value).expect("our own types have string keys");
    line(&text);
}

/// Prints a line of a result. A closed pipe is the reader's way of saying that it has seen enough.
pub(crate) fn line(text: &str) {
    drop(writeln!(anstream::stdout(), "{text}"));
}

/// Prints text as it is.
pub(crate) fn raw(bytes: &[u8]) {
    drop(std::io::stdout().write_all(bytes));
}

/// Prints something beside the result: progress, a hint, a warning.
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

/// Text of somebody else's, fit for a terminal: no control characters, so no escape sequences.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// Prints columns, each as wide as its widest cell; `empty` when there is no row.
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

/// Whether a person can be asked: both what they read and what they type is a terminal.
pub(crate) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks; an empty answer is yes.
pub(crate) fn ask(question: &str) -> bool {
    drop(write!(anstream::stderr(), "{question} [Y/n] "));
    drop(std::io::stderr().flush());
    let mut answer = String::new();
    match std::io::stdin().lock().read_line(&mut answer) {
        // End of input is no answer.
        Ok(0) | Err(_) => false,
        Ok(_) => matches!(answer.trim().to_ascii_lowercase().as_str(), "" | "y" | "yes"),
    }
}

/// What to run, as it can be typed here: a program that a package runner started has no name of its own.
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

/// Prints why a command failed, and says so in the exit code.
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
        note(&serde_json::to_string(&FailureDocument { error }).expect("plain strings"));
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
