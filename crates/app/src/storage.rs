//! Use cases of what is stored: removing what nothing needs, and saying how much of it there is.

use jiff::{SignedDuration, Timestamp};
use skaas_store::Leftovers;

use crate::{
    actor::Actor,
    app::App,
    audit::{self, Act, Action},
    code::Code,
    error::{Error, Result},
    push,
};

/// How long something has to lie unused before the server removes it on its own.
pub const SAFE_AGE: SignedDuration = SignedDuration::from_hours(24);

/// What a sweep found, or removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Objects that no row names, and contents that no release and no stub uses.
    pub objects: u64,
    /// Their bytes.
    pub object_bytes: u64,
    /// Files of writes that never ended, in the folder of objects and in this node's scratch folder.
    pub temporary_files: u64,
    /// Their bytes.
    pub temporary_bytes: u64,
}

impl Swept {
    /// Whether there was nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// All bytes.
    pub const fn bytes(&self) -> u64 {
        self.object_bytes + self.temporary_bytes
    }
}

/// Removes what failed and killed pushes left behind and was last written longer than `older_than` ago; with
/// `dry_run` only counts it. Safe at any time, beside pushes on any node.
pub async fn sweep(app: &App, actor: &Actor, older_than: SignedDuration, dry_run: bool) -> Result<Swept> {
    actor.require_operator()?;
    let before = before(app, older_than)?;
    let objects = if dry_run { app.store.leftovers(before).await? } else { app.store.sweep(before).await? };
    let (files, bytes) = push::clear_scratch(app, before, !dry_run).await?;
    let swept = Swept {
        temporary_files: objects.temporary_files + files,
        temporary_bytes: objects.temporary_bytes + bytes,
        ..Swept::from(objects)
    };
    if !dry_run {
        audit::record_alone(app, actor, Act::on_server(Action::StorageSweep, "")).await?;
        tell(&swept);
    }
    Ok(swept)
}

/// Removes from object storage what [`sweep`] would: for one node to do on behalf of all.
pub(crate) async fn sweep_objects(app: &App, older_than: SignedDuration) -> Result<()> {
    tell(&app.store.sweep(before(app, older_than)?).await?.into());
    Ok(())
}

/// Removes from this node's scratch folder what [`sweep`] would.
pub async fn clear_scratch(app: &App, older_than: SignedDuration) -> Result<()> {
    let (temporary_files, temporary_bytes) = push::clear_scratch(app, before(app, older_than)?, true).await?;
    tell(&Swept { temporary_files, temporary_bytes, ..Swept::default() });
    Ok(())
}

impl From<Leftovers> for Swept {
    fn from(objects: Leftovers) -> Self {
        let Leftovers { objects, object_bytes, temporary_files, temporary_bytes } = objects;
        Self { objects, object_bytes, temporary_files, temporary_bytes }
    }
}

fn tell(swept: &Swept) {
    if !swept.is_empty() {
        metrics::counter!("skaas_storage_swept_bytes_total").increment(swept.bytes());
        tracing::info!(
            event = "storage_swept",
            objects = swept.objects,
            temporary_files = swept.temporary_files,
            bytes = swept.bytes()
        );
    }
}

fn before(app: &App, older_than: SignedDuration) -> Result<Timestamp> {
    if older_than.is_negative() {
        return Err(Error::refused(Code::InvalidValue, "an age cannot be negative"));
    }
    Ok(app.now().checked_sub(older_than).unwrap_or(Timestamp::UNIX_EPOCH))
}
