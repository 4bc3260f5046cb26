//! How the system tells the server to stop.

#[cfg(unix)]
use anyhow::Context as _;

/// Done at SIGTERM or Ctrl-C. Listens from the call on, not from the first poll.
///
/// # Errors
/// If the system lets nobody listen.
#[cfg(unix)]
pub(crate) fn told_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Done at Ctrl-C.
///
/// # Errors
/// None here.
#[cfg(not(unix))]
pub(crate) fn told_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
