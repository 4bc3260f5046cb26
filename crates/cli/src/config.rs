//! `skaas config`.

use serde::Serialize;

use crate::{
    arguments::{Config, General},
    failure::Result,
    output, places,
    settings::{KEYS, Settings, file},
};

#[derive(Serialize)]
struct Row {
    key: &'static str,
    value: Option<String>,
    meaning: &'static str,
}

/// Runs a subcommand.
pub(crate) fn run(general: &General, command: Config) -> Result<()> {
    let mut settings = Settings::load()?;
    match command {
        Config::List => list(&settings, general.json)?,
        Config::Get { key } => {
            let value = settings.get(&key)?;
            if general.json { output::json(&value) } else { output::line(&value.unwrap_or_default()) }
        }
        Config::Set { key, value } => {
            settings.set(&key, Some(&value), general.insecure)?;
            settings.save()?;
        }
        Config::Unset { key } => {
            settings.set(&key, None, general.insecure)?;
            settings.save()?;
        }
    }
    Ok(())
}

fn list(settings: &Settings, as_json: bool) -> Result<()> {
    let rows = KEYS
        .iter()
        .map(|&(key, meaning)| Ok(Row { key, value: settings.get(key)?, meaning }))
        .collect::<Result<Vec<_>>>()?;
    if as_json {
        output::json(&rows);
        return Ok(());
    }
    let cells: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| vec![row.key.to_owned(), row.value.unwrap_or_else(|| "-".into()), row.meaning.to_owned()])
        .collect();
    output::table(&["KEY", "VALUE", "MEANING"], &cells, "");
    output::note(&output::dim(&format!("stored in {}", places::shown(&file()?))));
    Ok(())
}
