//! Owns what the operator hears: the log's format and level, the metrics' recorder. Refuses secrets: no
//! token, address or body is ever a field.

use std::io::IsTerminal as _;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, fmt, prelude::*};

use crate::config::{Log, LogFormat, wrong};

/// Upper edges of the duration histograms, in seconds.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// Reads the level: one word, or directives for parts of the program. A bare word that is no level would be
/// read as the name of a module, and everything else would fall silent.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn filter(level: &str) -> Result<EnvFilter, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let directives = || level.split(',').map(str::trim);
    if let Some(word) = directives().find(|word| {
        !word.contains(['=', '[']) && !LEVELS.iter().any(|level| word.eq_ignore_ascii_case(level))
    }) {
        return Err(format!("{word:?} is none of {}", LEVELS.join(", ")));
    }
    // The storage library logs what a bucket answered, which repeats access keys.
    // The WebAuthn library logs as errors what anybody can send; `app` logs that an answer was refused.
    let level = format!("object_store=warn,webauthn_rs=off,webauthn_rs_core=off,{level}");
    EnvFilter::builder().parse(level).map_err(|error| error.to_string())
}

/// Sends log lines to standard error in the configured form.
///
/// # Errors
/// A level that cannot be read, or a log that was started before.
pub(crate) fn start_log(log: &Log) -> anyhow::Result<()> {
    let filter = filter(&log.level).map_err(|reason| wrong("log.level", &reason))?;
    let registry = tracing_subscriber::registry().with(filter);
    match log.format {
        LogFormat::Text => registry
            .with(
                fmt::layer()
                    .with_ansi(std::io::stderr().is_terminal())
                    .with_writer(std::io::stderr)
                    .with_target(false),
            )
            .init(),
        LogFormat::Json => {
            registry.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).init();
        }
    }
    Ok(())
}

fn describe_operations() {
    metrics::describe_counter!(
        "skaas_requests_total",
        "Requests of pages, REST and OAuth by route and status"
    );
    metrics::describe_histogram!("skaas_request_seconds", "Seconds until the head of the answer was ready");
    metrics::describe_gauge!("skaas_connections", "Connections that are open");
    metrics::describe_counter!(
        "skaas_connections_refused_total",
        "Connections closed unread, by what was full"
    );
    metrics::describe_counter!("skaas_packs_cut_total", "Packs cut off so that others find a place");
    metrics::describe_counter!("skaas_rate_limited_total", "Requests refused for coming too often");
    metrics::describe_gauge!("skaas_healthy", "1 while a part of the node is well, else 0");
    metrics::describe_gauge!("skaas_database_connections", "Connections of the pool, busy and idle");
    metrics::describe_counter!(
        "skaas_storage_requests_total",
        "Requests to object storage by kind and outcome"
    );
    metrics::describe_histogram!("skaas_storage_seconds", "Seconds of a request to object storage");
    metrics::describe_gauge!("skaas_jobs", "Jobs by state: waiting, running, dead");
    metrics::describe_gauge!("skaas_jobs_oldest_seconds", "Seconds that the oldest job has been due");
    metrics::describe_gauge!("skaas_jobs_running", "Jobs that this process runs, by kind");
    metrics::describe_counter!("skaas_jobs_ended_total", "Attempts by kind and outcome: done, failed, dead");
    metrics::describe_histogram!("skaas_job_seconds", "Seconds of an attempt by kind");
    metrics::describe_counter!("skaas_redis_requests_total", "Questions to Redis by outcome");
    metrics::describe_histogram!("skaas_redis_seconds", "Seconds of a question to Redis");
}

/// The same for a command beside the server: only where standard error is read by a program, such as the
/// journal or a log collector. A person at a terminal reads results.
pub(crate) fn start_log_beside(log: &Log) -> anyhow::Result<()> {
    if std::io::stderr().is_terminal() { Ok(()) } else { start_log(log) }
}

/// Installs the metrics recorder of this process.
///
/// # Errors
/// When there is one already.
pub(crate) fn start_metrics() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)?
        .install_recorder()?;
    metrics::describe_counter!("skaas_git_requests_total", "Git requests by repo kind, endpoint and status");
    metrics::describe_histogram!(
        "skaas_git_request_seconds",
        "Seconds until the head of the answer was ready"
    );
    metrics::describe_counter!("skaas_git_sent_bytes_total", "Bytes of packs handed to connections");
    metrics::describe_gauge!("skaas_packs_in_flight", "Packs being sent");
    metrics::describe_counter!("skaas_lineage_steps_total", "Steps written, by repo kind");
    metrics::describe_counter!("skaas_releases_total", "Releases cut");
    metrics::describe_counter!("skaas_pushes_total", "Pushes received, by outcome");
    metrics::describe_counter!(
        "skaas_breach_lookups_total",
        "New passwords asked about at the breach service, by outcome"
    );
    metrics::describe_gauge!("skaas_pushes_in_flight", "Pushes being received");
    metrics::describe_gauge!("skaas_pushes_waiting", "Pushes waiting for a place");
    metrics::describe_counter!("skaas_storage_swept_bytes_total", "Bytes removed that no row named");
    metrics::describe_gauge!("skaas_content_bytes", "Bytes of release content held in memory");
    describe_operations();
    Ok(handle)
}
