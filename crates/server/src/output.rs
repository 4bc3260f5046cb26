//! Owns what the command line prints: results on standard output, failures on standard error, the exit codes
//! between them. The only place that prints.

use std::{
    io::{Write as _, stderr, stdout},
    process::ExitCode,
};

use serde::Serialize;
use skaas_app::Error;

use crate::config::InvalidSettings;

/// A reader who has seen enough (`… | head`) is no failure of ours.
fn print(text: &str) {
    let _ = writeln!(stdout(), "{text}");
}

/// Prints one JSON document.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints a line of a result.
pub(crate) fn line(text: &str) {
    print(text);
}

/// Prints something beside the result: a hint, a warning.
pub(crate) fn note(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

/// Prints columns, each as wide as its widest cell; `empty` when there is no row.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>], empty: &str) {
    if rows.is_empty() {
        note(empty);
        return;
    }
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let print_row = |cells: Vec<&str>| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        print(padded.join("  ").trim_end());
    };
    print_row(head.to_vec());
    for row in rows {
        print_row(row.iter().map(String::as_str).collect());
    }
}

/// Prints why a command failed, and says so in the exit code.
pub(crate) fn fail(error: &anyhow::Error) -> ExitCode {
    note(&format!("error: {error}"));
    let mut last = error.to_string();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        if !last.contains(&text) {
            note(&format!("  because: {text}"));
        }
        last = text;
    }
    ExitCode::from(code_of(error))
}

fn code_of(error: &anyhow::Error) -> u8 {
    if error.downcast_ref::<InvalidSettings>().is_some() {
        return 3;
    }
    match error.downcast_ref::<Error>() {
        Some(Error::Invalid(_)) => 2,
        Some(Error::NotFound(_)) => 4,
        Some(Error::Conflict(_)) => 5,
        _ => 1,
    }
}
