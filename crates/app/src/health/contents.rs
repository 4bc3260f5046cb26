//! Looks at stored contents: a few at a time for readiness, all of them for `doctor`.

use futures_util::{StreamExt as _, stream};
use skaas_git::bundle::Bundle;
use skaas_store::{Oid, Store, StoreError, Stored, contents::Content};

use super::Trouble;
use crate::{
    app::App,
    error::{Error, Result, causes},
    oid::oid,
};

/// How many contents readiness looks at in one go.
const SAMPLE: i64 = 4;
/// Readiness reads contents of up to this many bytes, and of larger ones only asks for the length.
const READ_UP_TO: i64 = 1 << 20;
/// How many contents are looked at side by side.
const AT_ONCE: usize = 8;
/// How many are listed at once.
const PAGE: i64 = 500;
/// How many of those at fault are named.
const NAMED: usize = 5;

/// What there is of the contents that the database names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Contents looked at.
    pub looked_at: u64,
    /// Of these, how many are not there.
    pub missing: u64,
    /// Of these, how many are not what was written.
    pub damaged: u64,
    /// What is made of the first ones at fault: skills with their versions.
    pub uses: Vec<String>,
    /// Source packs looked at.
    pub packs: u64,
    /// Of these, how many are missing or damaged.
    pub bad_packs: u64,
}

impl Contents {
    /// Whether all is as it should be.
    pub fn is_whole(&self) -> bool {
        self.missing + self.damaged + self.bad_packs == 0
    }
}

/// Looks at every content and every source pack that the database names; with `read` also at their bytes.
///
/// # Errors
/// When database or storage do not answer.
pub async fn examine_contents(store: &Store, read: bool) -> Result<Contents> {
    let mut found = Contents::default();
    let mut after = Oid([0; 20]);
    loop {
        let page = store.contents_after(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.tree;
        let looks =
            page.iter().map(|content| async move { (content.tree, look_at(store, content, read).await) });
        let mut looks = stream::iter(looks).buffered(AT_ONCE);
        while let Some((tree, stored)) = looks.next().await {
            found.looked_at += 1;
            match stored? {
                State::Whole => continue,
                State::Missing => found.missing += 1,
                State::Damaged => found.damaged += 1,
            }
            if found.uses.len() < NAMED {
                found.uses.extend(store.uses_of_content(tree).await?);
            }
        }
    }
    let packs = store.all_source_packs().await?;
    found.packs = packs.len() as u64;
    let looks = packs.iter().map(|pack| store.compare_pack(pack));
    let mut looks = stream::iter(looks).buffered(AT_ONCE);
    while let Some(stored) = looks.next().await {
        found.bad_packs += u64::from(stored? != Stored::Whole);
    }
    found.uses.truncate(NAMED);
    Ok(found)
}

enum State {
    Whole,
    Missing,
    Damaged,
}

async fn look_at(store: &Store, content: &Content, read: bool) -> Result<State> {
    if !read {
        return Ok(match store.compare_content(content).await? {
            Stored::Whole => State::Whole,
            Stored::Missing => State::Missing,
            Stored::OtherLength => State::Damaged,
        });
    }
    let bytes = match store.get_content(content.tree).await {
        Ok(bytes) => bytes,
        Err(StoreError::Missing(_)) => return Ok(State::Missing),
        Err(error) => return Err(error.into()),
    };
    let tree = oid(content.tree);
    let decoded =
        tokio::task::spawn_blocking(move || Bundle::decode(bytes)).await.map_err(Error::internal)?;
    Ok(if decoded.is_ok_and(|bundle| bundle.tree() == tree) { State::Whole } else { State::Damaged })
}

/// Looks at a few contents, others each time. Only when all of them are at fault is the storage not the one
/// that the database belongs to: one lost content is no reason to stop serving the rest.
pub(super) async fn sample(app: &App) -> std::result::Result<(), Trouble> {
    let outcome = async {
        let mut from = [0; 20];
        app.with_rng(|rng| rng.fill_bytes(&mut from));
        let mut contents = app.store.contents_after(Oid(from), SAMPLE).await?;
        if contents.is_empty() {
            contents = app.store.contents_after(Oid([0; 20]), SAMPLE).await?;
        }
        let (mut missing, mut damaged) = (0, 0);
        for content in &contents {
            match look_at(&app.store, content, content.bytes <= READ_UP_TO).await? {
                State::Whole => {}
                State::Missing => missing += 1,
                State::Damaged => damaged += 1,
            }
        }
        Ok::<_, Error>((contents.len(), missing, damaged))
    };
    match outcome.await {
        Ok((_, 0, 0)) => Ok(()),
        Ok((all, missing, damaged)) => Err(Trouble {
            reason: format!("of {all} contents looked at, {missing} are missing and {damaged} damaged"),
            stops: missing + damaged == all,
        }),
        // The parts of their own say what is wrong with database and storage.
        Err(error) => Err(Trouble { reason: causes(&error), stops: false }),
    }
}
