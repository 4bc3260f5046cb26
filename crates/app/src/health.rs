//! Use cases of the operator's eyes: is this node ready to serve?

use crate::{app::App, error::Result};

/// Whether database and object storage answer.
pub async fn ready(app: &App) -> Result<()> {
    Ok(app.store.ping().await?)
}
