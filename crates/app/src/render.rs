//! Owns how listings become bytes for clients: entries of the marketplace file, stubs, commits. Refuses to
//! know users: what it makes is shared by all of them.

use std::sync::Arc;

use jiff::Timestamp;
use skaas_domain::{
    entitlement::StubReason,
    layout::{LaidContent, LaidFile},
    listing::Listing,
    marketplace::{self, EntryInput},
    stub::{StubInput, stub},
    version::Version,
};
use skaas_git::{
    ObjectId,
    bundle::{Bundle, BundleError, BundleFile},
    object::{CommitSpec, RawCommit, Signature},
    splice::Fragment,
};

/// Raised whenever a text below changes: every node then renders the catalogue anew at its next start.
const TEMPLATES: u32 = 2;

/// What the texts say about this installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voice {
    /// Where people reach it: no slash at the end.
    pub public_url: String,
    /// What clients call the personal marketplace.
    pub marketplace_name: String,
}

/// A stub as it is stored and served.
#[derive(Debug, Clone)]
pub(crate) struct RenderedStub {
    pub(crate) reason: StubReason,
    pub(crate) version: Version,
    pub(crate) bundle: Bundle,
    pub(crate) commit: RawCommit,
}

impl Voice {
    /// Names everything that the rendered texts depend on besides the listings.
    pub(crate) fn key(&self) -> String {
        format!("{TEMPLATES} {} {}", self.marketplace_name, self.public_url)
    }

    /// Reads back what [`Voice::key`] wrote; `None` for a key of other templates.
    pub(crate) fn from_key(key: &str) -> Option<Self> {
        let mut parts = key.splitn(3, ' ');
        let (_, name, url) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { public_url: url.to_owned(), marketplace_name: name.to_owned() })
    }

    /// Where a skill's repo is: without any user's name, so that all users share the bytes.
    pub fn source_url(&self, name: &str) -> String {
        format!("{}/me/skills/{name}.git", self.public_url)
    }

    /// The address that a user adds to their agents: the same for everyone, and without any secret.
    pub fn marketplace_url(&self) -> String {
        format!("{}/me/marketplace.git", self.public_url)
    }

    /// Where a skill is bought.
    pub fn buy_url(&self, name: &str) -> String {
        format!("{}/buy/{name}", self.public_url)
    }

    /// A skill's page.
    pub fn page_url(&self, name: &str) -> String {
        format!("{}/skills/{name}", self.public_url)
    }

    /// Everything before the first entry of a personal marketplace.
    pub(crate) fn head(&self) -> String {
        let about = "Your skills in full, and previews of the others with a /buy command.";
        marketplace::head(&self.marketplace_name, "skaas", about)
    }

    /// The README beside the marketplace file.
    pub(crate) fn readme(&self) -> String {
        format!(
            "# Your marketplace\n\nServed by {} for you alone: what you own comes whole, the rest as stubs that \
             say how to buy it.\n\nAdd it once, by the address you cloned it from; every later purchase, update \
             and lapse arrives with a pull.\n",
            self.public_url
        )
    }

    /// One skill's entry, as shown to those who receive `version`, without the separator before it. `locked`
    /// says why that is a stub's, if it is.
    pub(crate) fn entry(&self, listing: &Listing, version: &str, locked: Option<StubReason>) -> String {
        marketplace::entry(&EntryInput {
            name: &listing.name,
            description: &listing.description,
            version,
            source_url: &self.source_url(&listing.name),
            category: listing.category.as_deref(),
            tags: &listing.tags,
            homepage: Some(&self.page_url(&listing.name)),
            creator: &listing.creator_name,
            price: listing.prices.text(),
            locked,
        })
    }

    /// What someone without entitlement receives. Equal listings give equal bytes.
    pub(crate) fn stub(&self, listing: &Listing, reason: StubReason) -> Result<RenderedStub, BundleError> {
        let price = listing.prices.text();
        let made = stub(&StubInput {
            name: &listing.name,
            description: &listing.description,
            features: &listing.features,
            price: price.as_deref(),
            buy_url: &self.buy_url(&listing.name),
            reason,
            creator: &listing.creator_name,
        });
        let bundle = bundle_of(&made.files, |_| &[])?;
        let commit = stub_commit(listing, bundle.tree());
        Ok(RenderedStub { reason, version: made.version, bundle, commit })
    }
}

/// An entry as it stands in the document: a comma parts it from the one before, if there is one.
pub(crate) fn entry_fragment(entry: &str) -> Arc<Fragment> {
    let (comma, indent) = marketplace::SEPARATOR.split_at(1);
    Arc::new(Fragment::new(comma, &format!("{indent}{entry}")))
}

/// The bundle of laid-out files; `source` gives the bytes of those that are taken over unchanged.
pub(crate) fn bundle_of<'a>(
    files: &'a [LaidFile],
    source: impl Fn(usize) -> &'a [u8],
) -> Result<Bundle, BundleError> {
    Bundle::build(files.iter().map(|file| BundleFile {
        path: &file.path,
        executable: file.executable,
        content: match &file.content {
            LaidContent::Source(index) => source(*index),
            LaidContent::Made(bytes) => bytes,
        },
    }))
}

/// A creator as the author of commits. The address is no mailbox: theirs is nobody's business.
pub(crate) fn creator_signature(username: &str) -> Signature {
    Signature { name: username.to_owned(), email: format!("{username}@users.noreply.skaas") }
}

/// This server as the author of commits.
pub(crate) fn own_signature() -> Signature {
    Signature { name: "skaas".into(), email: "marketplace@users.noreply.skaas".into() }
}

/// The root commit of a release: the same bytes for everybody who receives it.
pub(crate) fn release_commit(tree: ObjectId, creator: &str, published_at: i64, notes: &str) -> RawCommit {
    CommitSpec { tree, parents: &[], author: &creator_signature(creator), date: published_at, message: notes }
        .encode()
}

/// The root commit of a stub: the same bytes for everybody who receives it.
pub(crate) fn stub_commit(listing: &Listing, tree: ObjectId) -> RawCommit {
    CommitSpec {
        tree,
        parents: &[],
        author: &creator_signature(&listing.creator_name),
        date: listing.created_at.as_second(),
        message: &format!("{}: how to get it\n", listing.name),
    }
    .encode()
}

/// A step of a skill's lineage: the state's tree upon the previous step and the state's own root.
pub(crate) fn skill_step(tree: ObjectId, previous: ObjectId, root: ObjectId, date: i64) -> RawCommit {
    let parents = [previous, root];
    let author = own_signature();
    CommitSpec { tree, parents: &parents, author: &author, date, message: "Your copy changed\n" }.encode()
}

/// How the message of a [`restored_step`] begins.
const RESTORED: &str = "The server was restored from a backup at ";

/// A step that shows what the one before it shows. No copy from after the backup can have it, since its message
/// holds the moment of the restoration.
pub(crate) fn restored_step(tree: ObjectId, previous: ObjectId, date: i64, moment: Timestamp) -> RawCommit {
    let message = format!("{RESTORED}{moment}\n");
    let author = own_signature();
    CommitSpec { tree, parents: &[previous], author: &author, date, message: &message }.encode()
}

/// Whether a commit's bytes are those of a [`restored_step`].
pub(crate) fn is_restored_step(raw: &[u8]) -> bool {
    let message = raw.windows(2).position(|pair| pair == b"\n\n").map(|end| &raw[end + 2..]);
    message.is_some_and(|message| message.starts_with(RESTORED.as_bytes()))
}

/// A step of a marketplace's lineage; the first has no parent.
pub(crate) fn marketplace_step(tree: ObjectId, previous: Option<ObjectId>, date: i64) -> RawCommit {
    let author = own_signature();
    CommitSpec { tree, parents: previous.as_slice(), author: &author, date, message: "Your marketplace\n" }
        .encode()
}
