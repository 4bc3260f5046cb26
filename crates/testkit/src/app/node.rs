//! One node: the real router behind the real listener.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use skaas_app::App;
use skaas_server::{Answers, Patience, RouterParts, Routes, Terms, TrustedProxies, listen, router};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// More than any story opens.
const CONNECTIONS: usize = 1024;
const PATIENCE: Patience =
    Patience { head: Duration::from_mins(1), stall: Duration::from_secs(30), grace: Duration::from_secs(30) };

/// A running node, or one that has been stopped.
pub struct Node {
    port: u16,
    scratch: PathBuf,
    app: App,
    router: Routes,
    running: Mutex<Option<Running>>,
}

struct Running {
    stop: oneshot::Sender<()>,
    served: JoinHandle<bool>,
}

/// Serves a router on a free loopback port.
pub(super) async fn serve(
    routes: impl Answers,
    proxies: TrustedProxies,
) -> (u16, oneshot::Sender<()>, JoinHandle<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    let port = listener.local_addr().expect("it is bound").port();
    let (stop, told) = oneshot::channel::<()>();
    let terms =
        Terms { patience: PATIENCE, proxies, connections: CONNECTIONS, connections_per_address: CONNECTIONS };
    let served = tokio::spawn(listen(listener, routes, terms, async {
        // A dropped sender stops it as well.
        drop(told.await);
    }));
    (port, stop, served)
}

impl Node {
    pub(super) async fn start(
        app: App,
        scratch: PathBuf,
        metrics: PrometheusHandle,
        proxies: TrustedProxies,
    ) -> Self {
        let router = router(RouterParts {
            app: app.clone(),
            stall: PATIENCE.stall,
            metrics: Some(metrics),
            settings: Vec::new(),
        });
        let (port, stop, served) = serve(router.clone(), proxies).await;
        Self { port, scratch, app, router, running: Mutex::new(Some(Running { stop, served })) }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:{port}`, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where it keeps what may be lost at any time.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Its routes, for whoever stands before it.
    pub fn router(&self) -> Routes {
        self.router.clone()
    }

    /// Its use cases, for who asks from an address that no connection of a test's comes from.
    pub fn app(&self) -> &App {
        &self.app
    }

    pub(super) fn runs(&self) -> bool {
        self.running.lock().expect("nobody panics while stopping").is_some()
    }

    /// Stops as an operator would; whether everything under way was finished.
    pub async fn stop(&self) -> bool {
        let running = self.running.lock().expect("nobody panics while stopping").take();
        let Some(Running { stop, served }) = running else { return true };
        // It may have ended by itself.
        let _ = stop.send(());
        served.await.expect("the listener does not panic")
    }
}
