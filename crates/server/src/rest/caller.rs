//! Owns who calls: the viewer behind the api token of a request. Refuses to look at what is called.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use skaas_app::{App, Presented, Viewer, authenticate};
use skaas_domain::scope::Need;

use super::Failed;
use crate::git_http::credentials;

/// Whoever presented a token that works: as Bearer, or as the password of Basic.
pub(crate) struct Caller(Arc<Viewer>);

impl Caller {
    /// The viewer, if the token was made for this.
    pub(crate) fn allowed(&self, need: &Need<'_>) -> Result<&Viewer, Failed> {
        self.0.allow(need)?;
        Ok(&self.0)
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failed> {
        let credentials = credentials::read(&parts.headers);
        let presented =
            credentials.as_ref().map(|c| Presented { username: c.username.as_deref(), secret: &c.secret });
        Ok(Self(authenticate(app, presented.as_ref()).await?))
    }
}
