//! Counts git's requests by repo, endpoint and status. Each metric is looked up by its labels once: the lookup
//! costs more instructions than the counting.

use std::{sync::OnceLock, time::Duration};

use http::StatusCode;
use metrics::{Counter, Histogram};
use skaas_domain::repo::Repo;

use super::path::{Address, Endpoint, GitPath};
use crate::watch::{CLASSES, class_index};

const REPOS: [&str; 4] = ["none", "marketplace", "skill", "source"];
const ENDPOINTS: [&str; 6] = ["none", "info/refs", "upload-pack", "receive-pack", "upload-archive", "dumb"];

/// The metrics of one node, each registered when it is first needed.
#[derive(Default)]
pub(super) struct Meter {
    requests: [[[OnceLock<Counter>; CLASSES.len()]; ENDPOINTS.len()]; REPOS.len()],
    seconds: [OnceLock<Histogram>; ENDPOINTS.len()],
}

impl Meter {
    /// Counts one answer, whose head took `elapsed`. `None` is a path that is no repo's.
    pub(super) fn count(&self, path: Option<GitPath<'_>>, status: StatusCode, elapsed: Duration) {
        let (repo, endpoint, class) = (repo_index(path), endpoint_index(path), class_index(status));
        let requests = self.requests[repo][endpoint][class].get_or_init(|| {
            let (repo, endpoint, status) = (REPOS[repo], ENDPOINTS[endpoint], CLASSES[class]);
            metrics::counter!("skaas_git_requests_total", "repo" => repo, "endpoint" => endpoint, "status" => status)
        });
        let seconds = self.seconds[endpoint].get_or_init(
            || metrics::histogram!("skaas_git_request_seconds", "endpoint" => ENDPOINTS[endpoint]),
        );
        requests.increment(1);
        seconds.record(elapsed);
    }
}

/// A repo's kind, as logs and metrics call it.
pub(super) const fn repo_word(path: Option<GitPath<'_>>) -> &'static str {
    REPOS[repo_index(path)]
}

/// An endpoint, as logs and metrics call it.
pub(super) const fn endpoint_word(path: Option<GitPath<'_>>) -> &'static str {
    ENDPOINTS[endpoint_index(path)]
}

const fn repo_index(path: Option<GitPath<'_>>) -> usize {
    match path {
        None => 0,
        Some(GitPath { address: Address::Personal(_, Repo::Marketplace), .. }) => 1,
        Some(GitPath { address: Address::Personal(_, Repo::Skill(_)), .. }) => 2,
        Some(GitPath { address: Address::Source { .. }, .. }) => 3,
    }
}

const fn endpoint_index(path: Option<GitPath<'_>>) -> usize {
    match path {
        None => 0,
        Some(GitPath { endpoint: Endpoint::InfoRefs, .. }) => 1,
        Some(GitPath { endpoint: Endpoint::UploadPack, .. }) => 2,
        Some(GitPath { endpoint: Endpoint::ReceivePack, .. }) => 3,
        Some(GitPath { endpoint: Endpoint::UploadArchive, .. }) => 4,
        Some(GitPath { endpoint: Endpoint::Dumb, .. }) => 5,
    }
}
