//! Owns `skaas-server serve`: start, work at intervals, orderly stop. Refuses to know what is served.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::Context as _;
use skaas_app::{App, causes, publication::render_all, quiet::Quiet, storage, third_parties::mail_settled};
use tokio::net::TcpListener;

use crate::{
    arguments::{Place, Serve},
    config::Settings,
    installation,
    listener::{Patience, Terms, serve},
    router::{RouterParts, router},
    signals::told_to_stop,
    telemetry,
};

/// How often what can wait is done: writing down when tokens were last used.
const TIDY_EVERY: Duration = Duration::from_secs(30);
/// How often what ended long ago is forgotten.
const CLEAN_EVERY: Duration = Duration::from_hours(1);
/// How long a connection may think before it sends the head of a request.
const HEAD_PATIENCE: Duration = Duration::from_mins(1);

/// Serves until told to stop.
pub(crate) async fn run(place: &Place, options: &Serve) -> anyhow::Result<()> {
    let settings = installation::settings(place, overrides(options))?;
    telemetry::start_log(&settings.log)?;
    let metrics = telemetry::start_metrics()?;
    let store = installation::open_store(&settings).await?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("cannot listen on {}; is another server there?", settings.listen))?;
    let address = listener.local_addr()?;
    let app = installation::serving_app(&settings, store, public_url(&settings, address)).await?;
    render_all(&app).await?;
    if settings.is_unprotected() {
        tracing::warn!(
            event = "public_url_not_https",
            public_url = settings.public_url,
            "passwords and tokens travel unprotected; put a proxy with TLS in front and set public_url \
             (SKAAS_PUBLIC_URL) to its https address"
        );
    }
    let stall = Duration::from_secs(settings.limits.stall_seconds);
    let router = router(RouterParts { app: app.clone(), stall, metrics: Some(metrics) });
    // Before anybody is told where to find the server, for then they may stop it.
    let stop = told_to_stop()?;
    if let Some(file) = &options.port_file {
        write_port(file, address.port())?;
    }
    tracing::info!(event = "serving", address = %address, public_url = %app.voice().public_url);
    let tidying = tokio::spawn(tidy(app.clone()));
    let sweeping = tokio::spawn(sweep(app.clone()));
    let patience =
        Patience { head: HEAD_PATIENCE, stall, grace: Duration::from_secs(settings.grace_seconds) };
    make_room_for_files(u64::from(settings.limits.connections));
    let terms = Terms {
        patience,
        proxies: settings.proxies()?,
        connections: settings.limits.connections as usize,
        connections_per_address: settings.limits.connections_per_address as usize,
    };
    let finished = serve(listener, router, terms, stop).await;
    tidying.abort();
    sweeping.abort();
    if tokio::time::timeout(patience.grace, mail_settled(&app)).await.is_err() {
        tracing::warn!(event = "mail_abandoned");
    }
    if let Err(error) = app.tidy().await {
        tracing::warn!(event = "tidy_failed", reason = %error);
    }
    tracing::info!(event = "stopped", finished_everything = finished);
    Ok(())
}

/// Each connection is a file to the system, and 1 024 of them are what many a shell allows at first.
fn make_room_for_files(connections: u64) {
    // Beside the connections: databases, objects, packs under way.
    let wanted = connections + 1024;
    let allowed = rlimit::increase_nofile_limit(wanted).unwrap_or_default();
    if allowed < wanted {
        tracing::warn!(
            event = "few_files",
            allowed,
            wanted,
            "raise the limit of open files (ulimit -n), or lower limits.connections (SKAAS_CONNECTIONS)"
        );
    }
}

fn overrides(options: &Serve) -> Vec<(&'static str, String)> {
    let listen = options.listen.map(|address| ("listen", address.to_string()));
    let url = options.public_url.clone().map(|url| ("public_url", url));
    listen.into_iter().chain(url).collect()
}

/// The configured address, else one that works on this machine.
fn public_url(settings: &Settings, address: SocketAddr) -> String {
    if !settings.public_url.is_empty() {
        return settings.public_url.clone();
    }
    if !address.ip().is_unspecified() {
        return format!("http://{address}");
    }
    tracing::warn!(
        event = "public_url_guessed",
        "entries and stubs will name localhost; set public_url (SKAAS_PUBLIC_URL) to what people can reach"
    );
    format!("http://localhost:{}", address.port())
}

/// Writes the port under another name first: whoever waits for the file never reads half of it.
fn write_port(file: &Path, port: u16) -> anyhow::Result<()> {
    let partial = file.with_extension("partial");
    std::fs::write(&partial, format!("{port}\n"))
        .and_then(|()| std::fs::rename(&partial, file))
        .with_context(|| format!("cannot write the port to {}", file.display()))
}

async fn tidy(app: App) {
    let mut often = tokio::time::interval(TIDY_EVERY);
    let mut seldom = tokio::time::interval(CLEAN_EVERY);
    let failures = Quiet::default();
    loop {
        let outcome = tokio::select! {
            _ = often.tick() => {
                // So that the log and the metrics know even where nobody asks /readyz.
                skaas_app::health::ready(&app).await;
                app.tidy().await
            }
            _ = seldom.tick() => app.clean().await,
        };
        if let Err(error) = outcome
            && let Some(more) = failures.say(tokio::time::Instant::now())
        {
            tracing::warn!(event = "tidy_failed", reason = %causes(&error), more);
        }
    }
}

/// Removes what failed and killed pushes left in storage. Beside [`tidy`], since it lists all objects.
async fn sweep(app: App) {
    let mut hourly = tokio::time::interval(CLEAN_EVERY);
    loop {
        hourly.tick().await;
        if let Err(error) = storage::sweep(&app, storage::SAFE_AGE, false).await {
            tracing::warn!(event = "sweep_failed", reason = %causes(&error));
        }
    }
}
