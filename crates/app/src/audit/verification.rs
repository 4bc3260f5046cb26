//! Verifying the chains: recomputing every hash from the first entry on.

use std::collections::BTreeMap;

use skaas_domain::audit::{Address, Broken, Chain, Entry, Head, Subject};
use skaas_store::{Snapshot, audit as rows};

use crate::{actor::Actor, app::App, error::Result};

/// How many entries, or chains, are read at once.
const AT_ONCE: i64 = 500;

/// The end of a chain as it was noted elsewhere, by an earlier export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    /// Whose chain.
    pub subject: Subject,
    /// Where it ended then.
    pub head: Head,
}

/// A chain that doesn't hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Whose chain.
    pub subject: Subject,
    /// What is wrong first.
    pub broken: Broken,
}

/// What verifying found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many chains there are.
    pub chains: u64,
    /// How many entries follow from those before them.
    pub entries: u64,
    /// How many entries are not sealed yet, so nothing is known of them.
    pub unsealed: u64,
    /// The chains that don't hold, each with its first fault.
    pub faults: Vec<Fault>,
}

/// Verifies every chain, up to its end and, if `noted` has one for it, up to that.
pub async fn verify(app: &App, actor: &Actor, noted: &[Noted]) -> Result<Report> {
    actor.require_operator()?;
    let mut report = Report::default();
    let mut noted_of: BTreeMap<Subject, Vec<Head>> = BTreeMap::new();
    for Noted { subject, head } in noted {
        noted_of.entry(*subject).or_default().push(*head);
    }
    let mut next = vec![Subject::SERVER];
    while let Some(last) = next.last().copied() {
        for subject in next {
            let heads = noted_of.remove(&subject).unwrap_or_default();
            verify_chain(app, subject, &heads, &mut report).await?;
        }
        next = rows::subjects(&mut app.store.read().await?, last, AT_ONCE).await?;
    }
    // Chains that were noted and are gone, with their ends.
    for (subject, heads) in noted_of {
        verify_chain(app, subject, &heads, &mut report).await?;
    }
    let waiting = rows::waiting(&mut app.store.read().await?).await?;
    report.unsealed = u64::try_from(waiting).unwrap_or(0);
    Ok(report)
}

async fn verify_chain(app: &App, subject: Subject, noted: &[Head], report: &mut Report) -> Result<()> {
    // Of one moment, so that sealing meanwhile doesn't look like a fault.
    let mut conn = app.store.snapshot().await?;
    let mut chain = Chain::new(subject);
    let head = rows::head(&mut conn, subject).await?;
    let broken = follow(&mut conn, &mut chain, subject, noted).await?;
    let position = chain.head().position;
    report.entries += u64::try_from(position).unwrap_or(0);
    report.chains += u64::from(position > 0 || head.is_some());
    let end = head.unwrap_or_else(|| Chain::new(subject).head());
    let is_short = |noted: &&Head| noted.position > position;
    let broken = broken.or_else(|| chain.verify_end(end).err()).or_else(|| {
        let missing = noted.iter().filter(is_short).max_by_key(|noted| noted.position)?;
        Some(Broken::End { expected: missing.position, found: position })
    });
    report.faults.extend(broken.map(|broken| Fault { subject, broken }));
    Ok(())
}

/// Follows a chain from its beginning; the first fault, if there is one.
async fn follow(
    conn: &mut Snapshot,
    chain: &mut Chain,
    subject: Subject,
    noted: &[Head],
) -> Result<Option<Broken>> {
    loop {
        let page = rows::chain(conn, subject, chain.head().position, AT_ONCE).await?;
        if page.is_empty() {
            return Ok(None);
        }
        for entry in &page {
            let may_be_erased = may_be_erased(conn, entry).await?;
            if let Err(broken) = chain.verify(entry, may_be_erased) {
                return Ok(Some(broken));
            }
            let here = chain.head();
            if noted.iter().any(|noted| noted.position == here.position && noted.hash != here.hash) {
                return Ok(Some(Broken::Head(here.position)));
            }
        }
    }
}

async fn may_be_erased(conn: &mut Snapshot, entry: &Entry) -> Result<bool> {
    Ok(entry.address == Address::Erased && rows::may_be_erased(conn, entry).await?)
}
