//! Owns counting requests by address, where no token says who asks. Refuses to answer: each part of the server
//! says no in its own way.

use std::time::Duration;

use axum::extract::Request;
use skaas_app::{App, CountedAs, Error, admit};

use super::body::drain;
use crate::client_address::ClientAddress;

/// Patience with the rest of a request that is refused.
const STALL: Duration = Duration::from_secs(1);

/// Takes a request, or says when there may be another from its address.
pub(crate) async fn counted(app: &App, mut request: Request, counted: CountedAs) -> Result<Request, Error> {
    match admit(app, ClientAddress::of(request.extensions()), counted).await {
        Ok(()) => Ok(request),
        Err(error) => {
            // What is left unread would cost the client its connection, and the answer with it.
            drain(request.body_mut(), STALL).await;
            Err(error)
        }
    }
}
