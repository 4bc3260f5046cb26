//! The two ways out of the server. What the operator configured may be in the operator's own network; what users name may
//! not. Each way has a client and a list of permitted addresses of its own, so no connection is shared between them.

use crate::{
    egress::Egress,
    error::Result,
    http_client::{Http, HttpOptions},
};

/// Both ways. Cheap to clone.
#[derive(Clone)]
pub struct WaysOut {
    operator: Http,
    users: Http,
}

impl WaysOut {
    /// Clients behind what the operator permits for each way.
    pub fn new(for_operator: Egress, for_users: Egress) -> Result<Self> {
        Self::with(for_operator, for_users, HttpOptions::default)
    }

    /// The same with options.
    pub fn with(for_operator: Egress, for_users: Egress, options: impl Fn() -> HttpOptions) -> Result<Self> {
        Ok(Self {
            operator: Http::with(for_operator, options())?,
            users: Http::with(for_users.for_users(), options())?,
        })
    }

    /// To what the operator configured: identity providers, payment, services.
    pub fn for_operator(&self) -> &Http {
        &self.operator
    }

    /// To what users and strangers name: documents of OAuth clients, hooks, APIs.
    pub fn for_users(&self) -> &Http {
        &self.users
    }
}
