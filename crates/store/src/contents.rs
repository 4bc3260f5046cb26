//! Owns contents: bundles by their tree's id, in object storage, and the rows that say they are there.
//! Refuses to write a row before its object.

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use crate::{
    column::{Value, record},
    connection::{Conn, Tx},
    counted,
    database::Store,
    error::{Result, StoreError},
    oid::Oid,
    statement::{execute, fetch_optional, sql},
};

sql! {
    ADD = "INSERT INTO contents (tree, objects, bytes, created_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING";
    FIND = "SELECT tree, objects, bytes, created_at FROM contents WHERE tree = $1";
    KEEP = "SELECT tree AS value FROM contents WHERE tree = $1",
        pg = "SELECT tree AS value FROM contents WHERE tree = $1 FOR KEY SHARE";
}

/// How often contents are stored again that a sweep removed meanwhile.
const TRIES: usize = 3;
/// How many objects are on their way at once.
const AT_ONCE: usize = 8;
/// How many objects are looked for at once.
const CHECKS_AT_ONCE: usize = 32;
/// From more than this many on, a folder is told to last once for all of them.
const BATCH: usize = 16;

/// What is known of a stored content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The tree whose objects it holds.
    pub tree: Oid,
    /// How many objects.
    pub objects: i64,
    /// Its length in storage.
    pub bytes: i64,
    /// When it was first stored.
    pub created_at: Timestamp,
}
record!(Content { tree: Oid, objects: i64, bytes: i64, created_at: Timestamp });

/// A content to be stored.
#[derive(Debug, Clone)]
pub struct NewContent {
    /// The tree whose objects it holds.
    pub tree: Oid,
    /// How many objects.
    pub objects: i64,
    /// The bundle. The same tree always has the same bytes.
    pub data: Bytes,
}

/// What is known of a content, if it is stored.
pub async fn find(conn: &mut Conn, tree: Oid) -> Result<Option<Content>> {
    fetch_optional!(conn, FIND, [tree])
}

/// Keeps a content from being swept until the transaction ends; whether it is stored.
pub async fn keep(tx: &mut Tx, tree: Oid) -> Result<bool> {
    let kept: Option<Value<Oid>> = fetch_optional!(tx, KEEP, [tree])?;
    Ok(kept.is_some())
}

async fn add(tx: &mut Tx, content: &NewContent, at: Timestamp) -> Result<()> {
    let bytes = i64::try_from(content.data.len()).unwrap_or(i64::MAX);
    execute!(tx, ADD, [content.tree, content.objects, bytes, at])?;
    Ok(())
}

impl Store {
    /// Stores a content: the object, then the row. Storing it again changes nothing, except that an object
    /// that was lost is put back.
    pub async fn put_content(&self, tree: Oid, objects: i64, data: Bytes, at: Timestamp) -> Result<()> {
        self.put_contents(vec![NewContent { tree, objects, data }], at).await
    }

    /// Stores contents, several at once: all objects, then all rows in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when a sweep removed an object that an earlier, failed write had left, again and
    /// again, just as it was written anew.
    pub async fn put_contents(&self, contents: Vec<NewContent>, at: Timestamp) -> Result<()> {
        for _ in 0..TRIES {
            if self.try_put_contents(&contents, at).await? {
                return Ok(());
            }
        }
        Err(StoreError::Busy("a content was swept away while it was stored".into()))
    }

    /// Whether all of it is stored. It is not when a sweep removed an object before its row was there.
    async fn try_put_contents(&self, contents: &[NewContent], at: Timestamp) -> Result<bool> {
        let haste = contents.len() > BATCH;
        let puts = contents.iter().cloned().map(|content| self.put_object(content, haste));
        let stored: Vec<bool> = stream::iter(puts).buffered(AT_ONCE).try_collect().await?;
        if stored.iter().all(|put| !put) {
            return Ok(true);
        }
        if haste {
            self.objects.settle().await?;
        }
        let new: Vec<&NewContent> =
            contents.iter().zip(stored).filter(|(_, put)| *put).map(|(content, _)| content).collect();
        let mut tx = self.begin().await?;
        for content in &new {
            add(&mut tx, content, at).await?;
        }
        // From here on a sweep waits for this transaction; what it took before is missing now.
        let trees: Vec<Oid> = new.iter().map(|content| content.tree).collect();
        let checks = trees.into_iter().map(|tree| self.objects.has_content(tree));
        let present: Vec<bool> = stream::iter(checks).buffered(CHECKS_AT_ONCE).try_collect().await?;
        if !present.iter().all(|present| *present) {
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Puts one object unless it is there; whether its row may be missing.
    async fn put_object(&self, content: NewContent, haste: bool) -> Result<bool> {
        let known = find(&mut self.read().await?, content.tree).await?.is_some();
        if known && self.objects.has_content(content.tree).await? {
            return Ok(false);
        }
        counted::storage("put", self.objects.put_content(content.tree, content.data, haste)).await?;
        Ok(true)
    }

    /// The bundle of a tree.
    ///
    /// # Errors
    /// [`crate::StoreError::Missing`] when it is not stored.
    pub async fn get_content(&self, tree: Oid) -> Result<Bytes> {
        counted::storage("get", self.objects.get_content(tree)).await
    }
}
