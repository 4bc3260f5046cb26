//! Owns what the command line prints: results on standard output, failures on standard error, the exit codes
//! between them. The only place that prints.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the module that prints")]

use std::process::ExitCode;

use serde::Serialize;
use skaas_app::Error;

use crate::config::InvalidSettings;

/// Prints one JSON document.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints a line of a result.
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// Prints something beside the result: a hint, a warning.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
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
    let print = |cells: Vec<&str>| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        println!("{}", padded.join("  ").trim_end());
    };
    print(head.to_vec());
    for row in rows {
        print(row.iter().map(String::as_str).collect());
    }
}

/// Prints why a command failed, and says so in the exit code.
pub(crate) fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error}");
    let mut last = error.to_string();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        if !last.contains(&text) {
            eprintln!("  because: {text}");
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
