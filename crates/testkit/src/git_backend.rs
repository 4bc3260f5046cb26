//! git's own server, `git http-backend`, as the measure of what a git server does.
//!
//! Owns: the CGI around it, on loopback. Refuses: users and passwords; whoever comes is served.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use tokio::sync::oneshot;

use crate::git::isolate;

/// The server; it stops when dropped.
pub struct GitBackend {
    folder: PathBuf,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl GitBackend {
    /// Serves the repositories below `folder`.
    ///
    /// # Panics
    /// If no port can be had.
    pub fn start(folder: &Path) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        listener.set_nonblocking(true).expect("a socket can be made non-blocking");
        let address = listener.local_addr().expect("a bound socket has an address");
        let app = Router::new().fallback(answer).with_state(folder.to_owned());
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a socket is a socket");
                tokio::select! {
                    served = axum::serve(listener, app) => served.expect("the server does not fail"),
                    _ = stopped => {}
                }
            });
        });
        Self { folder: folder.to_owned(), address, stop: Some(stop), thread: Some(thread) }
    }

    /// The folder of a repository.
    pub fn folder(&self, repo: &str) -> PathBuf {
        self.folder.join(repo)
    }

    /// The URL of a repository.
    pub fn url(&self, repo: &str) -> String {
        format!("http://{}/{repo}", self.address)
    }
}

impl Drop for GitBackend {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn answer(State(folder): State<PathBuf>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a request can be read");
    let header =
        |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut command = Command::new("git");
    isolate(&mut command, &folder);
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &folder)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("REMOTE_ADDR", "127.0.0.1");
    let out = tokio::task::spawn_blocking(move || run(command, &body)).await.expect("git is run");
    response(&out)
}

fn run(mut command: Command, input: &Bytes) -> Vec<u8> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("git can be started");
    let (mut stdin, input) = (child.stdin.take().expect("it is piped"), input.clone());
    // git that refuses early closes the pipe.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let out = child.wait_with_output().expect("git ends");
    writer.join().expect("the writer does not panic");
    out.stdout
}

/// Reads what a CGI program printed (RFC 3875, 6).
fn response(out: &[u8]) -> Response {
    let end = out.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(out.len());
    let mut response = Response::builder();
    for line in String::from_utf8_lossy(&out[..end]).lines() {
        match line.split_once(": ") {
            Some(("Status", status)) => response = response.status(&status[..3.min(status.len())]),
            Some((name, value)) => response = response.header(name, value),
            None => {}
        }
    }
    let body = out.get(end + 4..).unwrap_or_default().to_vec();
    response.body(Body::from(body)).expect("git prints a valid head")
}
