//! `skaas-server worker`: queued work without serving.

use std::time::Duration;

use skaas_app::{
    jobs::{Terms, Worker},
    publication::voice_in_use,
};

use crate::{arguments::Place, config::Settings, installation, signals::told_to_stop, telemetry};

/// How the worker of this process works.
pub(crate) fn terms(settings: &Settings) -> Terms {
    Terms {
        lease: Duration::from_secs(settings.jobs.lease_seconds),
        grace: Duration::from_secs(settings.grace_seconds),
    }
}

/// Runs jobs until told to stop.
pub(crate) async fn run(place: &Place) -> anyhow::Result<()> {
    let settings = installation::settings(place, Vec::new())?;
    telemetry::start_log(&settings.log)?;
    let store = installation::open_store(&settings).await?;
    let public_url = match settings.public_url.as_str() {
        // The server's own address, if it was never configured.
        "" => voice_in_use(&store).await?.map(|voice| voice.public_url).unwrap_or_default(),
        url => url.to_owned(),
    };
    let app = installation::serving_app(&settings, store, public_url).await?;
    Worker::new(&app, terms(&settings)).run(told_to_stop()?).await;
    Ok(())
}
