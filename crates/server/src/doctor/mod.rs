//! `skaas-server doctor`: checks everything an installation depends on, and names each fault with its reason and what to
//! do. Changes nothing and creates nothing.
//!
//! Each check is a file with an `async fn look(&Patient) -> Vec<Finding>`, called from [`examine`].

mod address;
mod clock;
mod contents;
mod counting;
mod data_folder;
mod database;
mod git;
mod jobs;
mod leftovers;
mod mail;
mod proxies;
mod storage;
mod vault;

use anyhow::bail;
use skaas_api::Finding;
use skaas_app::{App, Store, Voice};

use crate::{arguments::Place, config::Settings, installation, master_key, output};

/// The installation that is looked at.
pub(crate) struct Patient {
    settings: Settings,
    /// The open database and object storage, or `None` where there is nothing yet.
    store: anyhow::Result<Option<Store>>,
    /// Whether stored contents are read, not only looked for.
    thorough: bool,
}

impl Patient {
    /// The store, for checks that have nothing to say where there is none.
    fn store(&self) -> Option<&Store> {
        self.store.as_ref().ok()?.as_ref()
    }

    /// An app over the store that speaks to nobody. Keys that cannot be read are left out.
    fn app(&self) -> Option<App> {
        let store = self.store()?.clone();
        let voice =
            Voice { public_url: String::new(), marketplace_name: self.settings.marketplace_name.clone() };
        let keyring = master_key::keyring(&self.settings).unwrap_or_default();
        Some(installation::app(&self.settings, store, voice, keyring))
    }
}

/// Looks, reports, and fails when anything is wrong.
pub(crate) async fn run(place: &Place, quick: bool, as_json: bool) -> anyhow::Result<()> {
    let settings = installation::settings(place, Vec::new())?;
    let store = installation::store_as_it_is(&settings).await;
    let patient = Patient { settings, store, thorough: !quick };
    let findings = examine(&patient).await;
    if let Some(store) = patient.store() {
        // SQLite leaves its side files behind for a connection that is not closed.
        store.close().await;
    }
    report(&findings, as_json)
}

/// Every check, in the order of the report.
async fn examine(patient: &Patient) -> Vec<Finding> {
    let mut findings = data_folder::look(patient);
    findings.extend(database::look(patient).await);
    findings.extend(storage::look(patient).await);
    findings.extend(contents::look(patient).await);
    findings.extend(leftovers::look(patient).await);
    findings.extend(address::look(patient).await);
    findings.extend(clock::look(patient).await);
    findings.extend(vault::look(patient).await);
    findings.extend(proxies::look(patient));
    findings.extend(counting::look(patient).await);
    findings.extend(mail::look(patient).await);
    findings.extend(jobs::look(patient).await);
    findings.push(git::look());
    findings
}

fn report(findings: &[Finding], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        output::json(&findings)?;
    } else {
        for finding in findings {
            let mark = if finding.ok { "ok   " } else { "FAULT" };
            output::line(&format!("{mark}  {:<12} {}", finding.what, finding.found));
            if let Some(cure) = &finding.cure {
                output::line(&format!("       {:<12} {cure}", "->"));
            }
        }
    }
    let faults = findings.iter().filter(|finding| !finding.ok).count();
    if faults > 0 {
        bail!("{faults} fault(s) found");
    }
    Ok(())
}
