//! Owns the shape of git URLs. Refuses to know whether what they name exists.
//!
//! | path | repo |
//! |---|---|
//! | `/u/{username}/marketplace`, `/me/marketplace` | a personal marketplace |
//! | `/u/{username}/skills/{name}`, `/me/skills/{name}` | a skill as one user may have it |
//! | `/s/{creator}/{source}` | a creator's hosted source |
//!
//! each with and without `.git`, followed by the path of one of git's endpoints.

/// What the path of every git URL begins with.
pub(crate) const PREFIXES: [&str; 3] = ["/u/", "/me/", "/s/"];

/// Whether a path is git's to answer.
pub(crate) fn is_git(path: &str) -> bool {
    PREFIXES.iter().any(|prefix| path.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty()))
}

use skaas_domain::repo::{Repo, without_suffix};

/// Every repo that has an address, without its suffix.
const REPOS: [&str; 5] = [
    "/u/{username}/marketplace",
    "/u/{username}/skills/{skill}",
    "/me/marketplace",
    "/me/skills/{skill}",
    "/s/{creator}/{source}",
];
/// Everything that is asked of a repo.
const ENDPOINTS: [&str; 6] =
    ["info/refs", "git-upload-pack", "git-receive-pack", "git-upload-archive", "HEAD", "objects/info/packs"];

/// The addresses that are answered here: each repo with each endpoint.
pub(crate) fn addresses() -> impl Iterator<Item = String> {
    REPOS.iter().flat_map(|repo| ENDPOINTS.iter().map(move |endpoint| format!("{repo}/{endpoint}")))
}

/// Whose personal space a URL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner<'a> {
    /// `/me/…`: the one whose token it is.
    Me,
    /// `/u/{username}/…`.
    Named(&'a str),
}

/// What a URL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address<'a> {
    /// A repository as its owner may have it.
    Personal(Owner<'a>, Repo<&'a str>),
    /// A creator's hosted source.
    Source { creator: &'a str, source: &'a str },
}

/// What is asked of the repo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// `GET …/info/refs`; the service stands in the query.
    InfoRefs,
    /// `POST …/git-upload-pack`.
    UploadPack,
    /// `POST …/git-receive-pack`.
    ReceivePack,
    /// `POST …/git-upload-archive`: what `git archive --remote` asks for, since git 2.44.
    UploadArchive,
    /// A file of the dumb protocol: `HEAD`, `objects/…`.
    Dumb,
}

/// A git URL's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GitPath<'a> {
    pub(crate) address: Address<'a>,
    pub(crate) endpoint: Endpoint,
}

fn endpoint(rest: &str) -> Option<Endpoint> {
    match rest {
        "info/refs" => Some(Endpoint::InfoRefs),
        "git-upload-pack" => Some(Endpoint::UploadPack),
        "git-receive-pack" => Some(Endpoint::ReceivePack),
        "git-upload-archive" => Some(Endpoint::UploadArchive),
        "HEAD" => Some(Endpoint::Dumb),
        _ if rest.starts_with("objects/") => Some(Endpoint::Dumb),
        _ => None,
    }
}

fn personal<'a>(owner: Owner<'a>, rest: &'a str) -> Option<GitPath<'a>> {
    let (repo, rest) = Repo::split_path(rest)?;
    Some(GitPath { address: Address::Personal(owner, repo), endpoint: endpoint(rest)? })
}

impl<'a> GitPath<'a> {
    /// Reads a URL's path; `None` is no git URL of ours.
    pub(crate) fn parse(path: &'a str) -> Option<Self> {
        if let Some(rest) = path.strip_prefix("/me/") {
            return personal(Owner::Me, rest);
        }
        if let Some(rest) = path.strip_prefix("/u/") {
            let (username, rest) = rest.split_once('/')?;
            return personal(Owner::Named(username), rest);
        }
        let (creator, rest) = path.strip_prefix("/s/")?.split_once('/')?;
        let (source, rest) = rest.split_once('/')?;
        let address = Address::Source { creator, source: without_suffix(source)? };
        Some(Self { address, endpoint: endpoint(rest)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_repo_is_found_with_and_without_its_suffix() {
        for suffix in ["", ".git"] {
            let repo = |path: &str| {
                GitPath::parse(&format!("{path}{suffix}/info/refs")).map(|p| format!("{:?}", p.address))
            };
            assert_eq!(repo("/me/marketplace").unwrap(), "Personal(Me, Marketplace)");
            assert_eq!(repo("/u/alice/marketplace").unwrap(), "Personal(Named(\"alice\"), Marketplace)");
            assert_eq!(repo("/u/alice/skills/lint").unwrap(), "Personal(Named(\"alice\"), Skill(\"lint\"))");
            assert_eq!(repo("/me/skills/lint").unwrap(), "Personal(Me, Skill(\"lint\"))");
            assert_eq!(repo("/me/skills/objects").unwrap(), "Personal(Me, Skill(\"objects\"))");
            assert_eq!(repo("/s/ann/tools").unwrap(), "Source { creator: \"ann\", source: \"tools\" }");
            assert_eq!(repo("/u/alice/other"), None);
        }
    }

    #[test]
    fn the_list_of_addresses_holds_every_kind_of_repo_and_endpoint() {
        use std::collections::BTreeSet;

        let kind = |path: &GitPath<'_>| {
            // Whoever adds a variant is led here: give it an address above.
            let repo = match path.address {
                Address::Personal(Owner::Me, Repo::Marketplace) => 0,
                Address::Personal(Owner::Named(_), Repo::Marketplace) => 1,
                Address::Personal(Owner::Me, Repo::Skill(_)) => 2,
                Address::Personal(Owner::Named(_), Repo::Skill(_)) => 3,
                Address::Source { .. } => 4,
            };
            let endpoint = match path.endpoint {
                Endpoint::InfoRefs => 0,
                Endpoint::UploadPack => 1,
                Endpoint::ReceivePack => 2,
                Endpoint::UploadArchive => 3,
                Endpoint::Dumb => 4,
            };
            (repo, endpoint)
        };
        let listed: Vec<String> = addresses().collect();
        let kinds: BTreeSet<(i32, i32)> =
            listed.iter().map(|address| kind(&GitPath::parse(address).expect(address))).collect();
        assert_eq!(kinds, (0..5).flat_map(|repo| (0..5).map(move |endpoint| (repo, endpoint))).collect());
    }

    #[test]
    fn other_paths_are_no_git_urls() {
        for path in [
            "/",
            "/u/",
            "/u/alice",
            "/u/alice/marketplace",
            "/me/marketplace.git/",
            "/me/skills/x",
            "/x/a/b/info/refs",
            "/u/alice/skills//info/refs",
            "/s/a/.git/info/refs",
            "/me/marketplace.git/config",
        ] {
            assert_eq!(GitPath::parse(path), None, "{path}");
        }
    }
}
