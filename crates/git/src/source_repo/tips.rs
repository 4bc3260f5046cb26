//! Whether what refs are to point at is here.

use gix_hash::ObjectId;

use super::pack_set::Reader;
use super::{Ingested, RepoError, SourceRepo};
use crate::object::Kind;
use crate::receive_pack::{RefCommand, Verdict};

/// Why new tips cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum Missing {
    /// Neither the push nor the repository has it.
    #[error("missing necessary objects: {0}")]
    Object(ObjectId),
    /// The repository could not be read.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

impl SourceRepo {
    /// Whether every tip is here with all it needs, the quarantined pack included.
    ///
    /// A lookup per tip suffices: the packs hold no object without those it names (see the
    /// module's invariant).
    pub fn check_connected(
        &self,
        quarantine: Option<&Ingested>,
        new_tips: &[ObjectId],
    ) -> Result<(), Missing> {
        for tip in new_tips {
            self.kind_of(quarantine, tip)?.ok_or(Missing::Object(*tip))?;
        }
        Ok(())
    }

    /// A verdict per command: a new tip must be here, and a branch must point at a commit.
    pub fn check_tips(
        &self,
        quarantine: Option<&Ingested>,
        commands: &[RefCommand],
    ) -> Result<Vec<Verdict>, RepoError> {
        let verdict = |command: &RefCommand| {
            if command.is_delete() {
                return Ok(Ok(()));
            }
            let kind = self.kind_of(quarantine, &command.new)?;
            Ok(match kind {
                None => Err("missing necessary objects".to_owned()),
                Some(Kind::Commit) => Ok(()),
                Some(_) if command.name.starts_with("refs/tags/") => Ok(()),
                Some(kind) => Err(format!("a branch cannot point at a {}", kind.name())),
            })
        };
        commands.iter().map(verdict).collect()
    }

    fn kind_of(&self, quarantine: Option<&Ingested>, id: &ObjectId) -> Result<Option<Kind>, RepoError> {
        let own = self.set();
        for set in [Some(&*own), quarantine.map(Ingested::set)].into_iter().flatten() {
            if let Some(place) = set.place(id) {
                return Reader::new(set).header(place).map(|(kind, _)| Some(kind));
            }
        }
        Ok(None)
    }
}
