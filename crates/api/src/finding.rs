//! One line of a report of `skaas doctor` or `skaas-server doctor`.

use serde::Serialize;

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was checked.
    pub what: &'static str,
    /// Whether it works.
    pub ok: bool,
    /// What the check found.
    pub found: String,
    /// What to do, if there is something to do or to improve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
}

impl Finding {
    /// It works.
    pub fn fine(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, ok: true, found: found.into(), cure: None }
    }

    /// It works and could be better.
    pub fn advice(what: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { what, ok: true, found: found.into(), cure: Some(cure.into()) }
    }

    /// It does not work.
    pub fn fault(what: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { what, ok: false, found: found.into(), cure: Some(cure.into()) }
    }
}
