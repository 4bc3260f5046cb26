//! Owns `skaas-server serve`: start, work at intervals, orderly stop. Refuses to know what is served.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::Context as _;
use skaas_app::{App, causes, jobs, publication::render_all, quiet::Quiet, storage};
use tokio::{net::TcpListener, sync::oneshot};

use crate::{
    arguments::{Place, Serve},
    config::Settings,
    installation,
    listener::{Patience, Terms, serve},
    router::{RouterParts, router},
    signals::told_to_stop,
    telemetry, worker,
};

/// How often what can wait is done: writing down when tokens were last used.
const TIDY_EVERY: Duration = Duration::from_secs(30);
/// How often this node's scratch folder is cleared.
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
    let router = router(RouterParts {
        app: app.clone(),
        stall,
        metrics: Some(metrics),
        settings: settings.in_force(),
    });
    // Before anybody is told where to find the server, for then they may stop it.
    let stop = told_to_stop()?;
    if let Some(file) = &options.port_file {
        write_port(file, address.port())?;
    }
    tracing::info!(event = "serving", address = %address, public_url = %app.voice().public_url);
    let tidying = tokio::spawn(tidy(app.clone()));
    let clearing = tokio::spawn(clear_scratch(app.clone()));
    let working = settings.jobs.in_serve.then(|| start_worker(&app, worker::terms(&settings)));
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
    clearing.abort();
    if let Some((stop, worker)) = working {
        // Both fail only if the worker has ended.
        let _ = stop.send(());
        let _ = worker.await;
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

/// Starts the worker of this process; it stops when it is told to.
fn start_worker(app: &App, terms: jobs::Terms) -> (oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let (stop, told) = oneshot::channel::<()>();
    let worker = jobs::Worker::new(app, terms);
    let stopped = async {
        // A dropped sender stops it as well.
        drop(told.await);
    };
    (stop, tokio::spawn(worker.run(stopped)))
}

async fn tidy(app: App) {
    let mut often = tokio::time::interval(TIDY_EVERY);
    let failures = Quiet::default();
    loop {
        often.tick().await;
        // So that the log and the metrics know even where nobody asks /readyz.
        skaas_app::health::ready(&app).await;
        let tidied = app.tidy().await;
        let measured = jobs::measure(&app).await;
        if let Err(error) = tidied.and(measured)
            && let Some(more) = failures.say(tokio::time::Instant::now())
        {
            tracing::warn!(event = "tidy_failed", reason = %causes(&error), more);
        }
    }
}

/// Removes what killed pushes left in this node's scratch folder. Object storage is swept by a scheduled job.
async fn clear_scratch(app: App) {
    let mut hourly = tokio::time::interval(CLEAN_EVERY);
    loop {
        hourly.tick().await;
        if let Err(error) = storage::clear_scratch(&app, storage::SAFE_AGE).await {
            tracing::warn!(event = "scratch_not_cleared", reason = %causes(&error));
        }
    }
}
