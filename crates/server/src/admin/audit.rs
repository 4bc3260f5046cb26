//! `skaas-server admin audit`: who did what, and whether the record of it still holds.

use std::path::Path;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde_json::{Value, json};
use skaas_app::{
    Actor, App,
    audit::{self, Address, Entry, Exported, Head, Noted, Report, Subject, Wanted},
};
use skaas_domain::hex;

use super::{refused, show};
use crate::{arguments::Audit, output, until::age};

/// Runs one command.
pub(super) async fn run(app: &App, actor: &Actor, command: Audit) -> anyhow::Result<()> {
    match command {
        Audit::List { user, action, since, limit, json } => {
            let since = since.map(|text| past(app, &text)).transpose()?;
            let wanted = Wanted { username: user.as_deref(), action: action.as_deref(), since, limit };
            list(&audit::list(app, actor, &wanted).await?, json)
        }
        Audit::Verify { against, json } => {
            let noted = against.as_deref().map(noted).transpose()?.unwrap_or_default();
            verified(&audit::verify(app, actor, &noted).await?, json)
        }
        Audit::Export { heads } => Ok(audit::export(app, actor, |line| match line {
            Exported::Entry(_) if heads => Ok(()),
            Exported::Entry(entry) => output::json_line(&value(entry)),
            Exported::Head(subject, head) => output::json_line(&head_value(subject, head)),
        })
        .await?),
    }
}

/// A moment that is past: an age, or a time.
fn past(app: &App, text: &str) -> anyhow::Result<Timestamp> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let age = age(text).map_err(refused)?;
    Ok(app.now().checked_sub(age).unwrap_or(Timestamp::UNIX_EPOCH))
}

fn value(entry: &Entry) -> Value {
    let seal = entry.seal.as_ref();
    json!({
        "type": "entry",
        "id": entry.id,
        "at": entry.at,
        "user": entry.subject.0,
        "actor": { "kind": entry.actor.kind.as_str(), "user": entry.actor.user, "id": entry.actor.id },
        "address": entry.address.known(),
        "address_erased": entry.address == Address::Erased,
        "action": entry.action,
        "thing": entry.thing,
        "outcome": entry.outcome.as_str(),
        "position": seal.map(|seal| seal.position),
        "salt": seal.and_then(|seal| seal.salt.as_deref()).map(hex::encode),
        "address_digest": seal.map(|seal| hex::encode(&seal.address_digest)),
        "hash": seal.map(|seal| hex::encode(&seal.hash)),
    })
}

fn head_value(subject: Subject, head: Head) -> Value {
    json!({ "type": "head", "user": subject.0, "position": head.position, "hash": hex::encode(&head.hash) })
}

/// The ends of chains in an earlier export.
fn noted(file: &Path) -> anyhow::Result<Vec<Noted>> {
    let name = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("{name} can't be read"))?;
    let mut noted = Vec::new();
    for (line, number) in text.lines().zip(1_usize..) {
        let unreadable = || refused(format!("line {number} of {name} is not a line of an audit export"));
        let value: Value = serde_json::from_str(line).map_err(|_| unreadable())?;
        if value["type"] == "head" {
            noted.push(noted_head(&value).ok_or_else(unreadable)?);
        }
    }
    if noted.is_empty() {
        return Err(refused(format!(
            "{name} says nothing about the ends of chains; was the export complete?"
        )));
    }
    Ok(noted)
}

fn noted_head(value: &Value) -> Option<Noted> {
    let subject: Subject = value["user"].as_str().unwrap_or_default().parse().ok()?;
    let hash = hex::decode(value["hash"].as_str()?)?;
    Some(Noted { subject, head: Head { position: value["position"].as_i64()?, hash } })
}

fn list(all: &[Entry], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return output::json(&all.iter().map(value).collect::<Vec<_>>());
    }
    let or_none = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let address = |entry: &Entry| match &entry.address {
        Address::Known(address) => address.clone(),
        Address::None => "-".to_owned(),
        Address::Erased => "erased".to_owned(),
    };
    let row = |entry: &Entry| {
        let who = [entry.actor.user.map(|user| user.to_string()).unwrap_or_default(), entry.actor.id.clone()];
        vec![
            show::moment(entry.at),
            entry.action.clone(),
            entry.outcome.as_str().to_owned(),
            or_none(entry.subject.to_string()),
            or_none(entry.thing.clone()),
            format!("{} {}", entry.actor.kind.as_str(), who.join(" ").trim()).trim().to_owned(),
            address(entry),
        ]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    let head = ["TIME", "ACTION", "OUTCOME", "USER", "THING", "ACTOR", "ADDRESS"];
    output::table(&head, &rows, "Nothing was recorded that matches");
    Ok(())
}

fn verified(report: &Report, as_json: bool) -> anyhow::Result<()> {
    let Report { chains, entries, unsealed, faults } = report;
    if as_json {
        let faults: Vec<Value> = faults
            .iter()
            .map(|fault| json!({ "user": fault.subject.0, "fault": fault.broken.to_string() }))
            .collect();
        output::json(&json!({
            "intact": faults.is_empty(), "chains": chains, "entries": entries, "unsealed": unsealed,
            "faults": faults,
        }))?;
    } else {
        for fault in faults {
            let whose = match fault.subject.0 {
                Some(user) => format!("user {user}"),
                None => "the server itself".to_owned(),
            };
            output::line(&format!("The chain of {whose}: {}", fault.broken));
        }
        if faults.is_empty() {
            output::line(&format!("All {entries} sealed entries in {chains} chains are intact"));
        }
        if *unsealed > 0 {
            output::note(&format!("{unsealed} entries are not sealed yet; a worker does so every minute."));
        }
    }
    match faults.len() {
        0 => Ok(()),
        1 => bail!("1 chain of the audit log is broken"),
        more => bail!("{more} chains of the audit log are broken"),
    }
}
