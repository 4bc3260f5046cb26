//! Owns what the command line prints: results on standard output, failures on standard error, the exit codes
//! between them. The only place that prints.

use std::{
    io::{Write as _, stderr, stdout},
    process::ExitCode,
};

use serde::Serialize;
use skaas_app::{Error, Kind, StoreError, vault::Locked};

use crate::{config::InvalidSettings, installation::NoInstallation};

/// A reader who has seen enough (`… | head`) is no failure of ours.
fn print(text: &str) {
    let _ = writeln!(stdout(), "{text}");
}

/// Prints one JSON document.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints one JSON document on a line of its own. Unlike the others it fails if nobody reads: half an export must not
/// pass for a whole one.
pub(crate) fn json_line(value: &impl Serialize) -> std::io::Result<()> {
    let text = serde_json::to_string(value)?;
    writeln!(stdout(), "{text}")
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
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_header(head).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().for_each(|row| print(row.trim_end()));
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
    let is_setting = |error: &StoreError| matches!(error, StoreError::Config(_));
    if error.downcast_ref::<InvalidSettings>().is_some()
        || error.downcast_ref::<NoInstallation>().is_some()
        || error.downcast_ref::<Locked>().is_some_and(|locked| !matches!(locked, Locked::Failed(_)))
        || error.downcast_ref::<StoreError>().is_some_and(is_setting)
    {
        return 3;
    }
    match error.downcast_ref::<Error>().map(Error::kind) {
        Some(Kind::Invalid) => 2,
        Some(Kind::NotFound) => 4,
        Some(Kind::Conflict) => 5,
        _ => 1,
    }
}
