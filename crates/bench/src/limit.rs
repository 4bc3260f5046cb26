//! Owns the limit: the bytes of recorded answers, kept in memory and served by the HTTP stack that the
//! server uses, with nothing else on the path. Refuses to know git.
//!
//! Two shapes of it. `/file/{case}/{n}` is the static file: one function under hyper, no router. The same
//! requests as git's, answered by their own bytes, go through axum and the stalling-reader timeout as the
//! server's do: the difference between the two is what requests like git's cost by themselves.

use std::{collections::HashMap, convert::Infallible, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use axum::{Router, body::Body, extract::State, response::IntoResponse as _};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tokio_io_timeout::TimeoutStream;

use crate::record::Conversation;

const KIND: &str = "application/octet-stream";

/// Writes the answers of a conversation where a limit server finds them.
pub(crate) fn keep(folder: &Path, case: &str, conversation: &Conversation) -> Result<()> {
    for (n, exchange) in conversation.0.iter().enumerate() {
        std::fs::write(folder.join(format!("{case}.{n}.answer")), &exchange.content)?;
        let about = serde_json::json!({
            "status": exchange.status,
            "type": exchange.content_type,
            "asked": exchange.asked,
            "authorization": authorization(&exchange.request),
            "body": String::from_utf8_lossy(body_of(&exchange.request)),
        });
        std::fs::write(folder.join(format!("{case}.{n}.json")), about.to_string())?;
    }
    Ok(())
}

/// Where a kept answer is found.
pub(crate) fn target(case: &str, n: usize) -> String {
    format!("/file/{case}/{n}")
}

fn authorization(request: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(request);
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields
        .find_map(|(name, value)| name.eq_ignore_ascii_case("authorization").then(|| value.trim().to_owned()))
}

fn body_of(request: &[u8]) -> &[u8] {
    let end = request.windows(4).position(|four| four == b"\r\n\r\n").map_or(request.len(), |at| at + 4);
    &request[end..]
}

/// What tells the requests of all conversations apart, without reading what they say.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Asked {
    method_and_target: String,
    authorization: Option<String>,
    body: Bytes,
}

struct Answer {
    status: StatusCode,
    kind: String,
    content: Bytes,
}

#[derive(Default)]
struct Answers {
    files: HashMap<String, Bytes>,
    replies: HashMap<Asked, Answer>,
}

impl Answers {
    fn read(folder: &Path) -> Result<Self> {
        let mut all = Self::default();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let Some(stem) = name.strip_suffix(".answer") else { continue };
            let (case, n) = stem.rsplit_once('.').context("an answer has a number")?;
            let content = Bytes::from(std::fs::read(&path)?);
            all.files.insert(target(case, n.parse()?), content.clone());
            let about = std::fs::read_to_string(folder.join(format!("{stem}.json")))?;
            let about: serde_json::Value = serde_json::from_str(&about)?;
            let asked = about["asked"].as_str().unwrap_or_default();
            let asked = Asked {
                method_and_target: asked.split(" (").next().unwrap_or_default().to_owned(),
                authorization: about["authorization"].as_str().map(str::to_owned),
                body: about["body"].as_str().unwrap_or_default().to_owned().into(),
            };
            let status = StatusCode::from_u16(u16::try_from(about["status"].as_u64().unwrap_or(200))?)?;
            let kind = about["type"].as_str().unwrap_or(KIND).to_owned();
            all.replies.insert(asked, Answer { status, kind, content });
        }
        Ok(all)
    }

    fn file(&self, target: &str) -> Response<Full<Bytes>> {
        let Some(content) = self.files.get(target) else {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::NOT_FOUND;
            return response;
        };
        let mut response = Response::new(Full::new(content.clone()));
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(KIND));
        response
    }
}

async fn reply(State(answers): State<Arc<Answers>>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return StatusCode::BAD_REQUEST.into_response() };
    let authorization = head.headers.get(header::AUTHORIZATION);
    let asked = Asked {
        method_and_target: format!("{} {}", head.method, head.uri),
        authorization: authorization.and_then(|value| value.to_str().ok()).map(str::to_owned),
        body: body.to_bytes(),
    };
    match answers.replies.get(&asked) {
        None => StatusCode::NOT_FOUND.into_response(),
        Some(answer) => {
            let kind = [(header::CONTENT_TYPE, answer.kind.as_str())];
            (answer.status, kind, answer.content.clone()).into_response()
        }
    }
}

/// Serves the kept answers of `folder` until it is ended: files on one port, replies on another; both are
/// written to `port_file`, the files' first.
pub(crate) async fn serve(folder: &Path, port_file: &Path) -> Result<()> {
    let answers = Arc::new(Answers::read(folder)?);
    let files = TcpListener::bind("127.0.0.1:0").await?;
    let replies = TcpListener::bind("127.0.0.1:0").await?;
    let ports = format!("{} {}\n", files.local_addr()?.port(), replies.local_addr()?.port());
    std::fs::write(port_file, ports)?;
    let router = Router::new().fallback(reply).with_state(Arc::clone(&answers));
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_mins(1))
        .max_buf_size(128 * 1024);
    let builder = Arc::new(builder);
    loop {
        tokio::select! {
            accepted = files.accept() => {
                let stream = accepted?.0;
                stream.set_nodelay(true)?;
                let (builder, answers) = (Arc::clone(&builder), Arc::clone(&answers));
                tokio::spawn(async move {
                    let service = service_fn(|request: Request<Incoming>| {
                        let response = answers.file(request.uri().path());
                        async move { Ok::<_, Infallible>(response) }
                    });
                    // A generator that closes its connection is no error.
                    drop(builder.serve_connection(TokioIo::new(stream), service).await);
                });
            }
            accepted = replies.accept() => {
                let stream = accepted?.0;
                stream.set_nodelay(true)?;
                let mut stream = TimeoutStream::new(stream);
                stream.set_write_timeout(Some(Duration::from_mins(1)));
                let (builder, service) = (Arc::clone(&builder), TowerToHyperService::new(router.clone()));
                tokio::spawn(async move {
                    drop(builder.serve_connection(TokioIo::new(Box::pin(stream)), service).await);
                });
            }
        }
    }
}
