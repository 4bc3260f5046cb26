//! A hosted source over real HTTP, without users: what the application does around the crate.

use std::collections::BTreeMap;
use std::io::{BufReader, Read as _};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use flate2::read::GzDecoder;
use skaas_git::object::ObjectId;
use skaas_git::receive_pack::{
    ParseLimits, PushRequest, RefRules, Report, SidebandWriter, add_verdicts, advertise, judge,
    parse_commands, settle_atomic,
};
use skaas_git::source_repo::{IngestLimits, SourceAnswer, SourceRefs, SourceRepo};
use skaas_git::upload_pack::{Command, Limits, Version, parse_v0, parse_v2};

/// One repository being served.
pub(crate) struct Server {
    pub(crate) state: Arc<Hosted>,
    address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
}

pub(crate) struct Hosted {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) repo: SourceRepo,
    pub(crate) limits: IngestLimits,
    pub(crate) refs: Mutex<BTreeMap<String, ObjectId>>,
    /// Every push in order, and the size of each body.
    pub(crate) pushes: Mutex<Vec<(PushRequest, usize)>>,
    pub(crate) chunked: Mutex<bool>,
    /// Objects in each pack that was sent.
    pub(crate) sent: Mutex<Vec<usize>>,
    /// Refs advertised in place of the true ones, to play a push that lost a race.
    pub(crate) stale_refs: Mutex<Option<Vec<(String, ObjectId)>>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with_limits(IngestLimits::default())
    }

    pub(crate) fn with_limits(limits: IngestLimits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = Arc::new(Hosted {
            repo: SourceRepo::open(dir.path().join("packs")).unwrap(),
            dir,
            limits,
            refs: Mutex::default(),
            pushes: Mutex::default(),
            chunked: Mutex::default(),
            sent: Mutex::default(),
            stale_refs: Mutex::default(),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let served = Arc::clone(&state);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let router = Router::new()
                    .route("/s.git/info/refs", get(info_refs))
                    .route("/s.git/git-receive-pack", post(receive))
                    .route("/s.git/git-upload-pack", post(upload))
                    .layer(DefaultBodyLimit::disable())
                    .with_state(served);
                let stopped = async { drop(stopped.await) };
                axum::serve(listener, router).with_graceful_shutdown(stopped).await.unwrap();
            });
        });
        Self { state, address, stop: Some(stop) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/s.git", self.address)
    }

    pub(crate) fn refs(&self) -> Vec<(String, ObjectId)> {
        self.state.refs()
    }

    /// The real git's opinion of all that is stored.
    pub(crate) fn fsck(&self) -> super::Work {
        super::fsck(self.state.repo.dir(), &self.state.repo.packs(), &self.refs())
    }

    /// Names of all files in the folder, quarantines included.
    pub(crate) fn files(&self) -> Vec<String> {
        let listing = std::fs::read_dir(self.state.repo.dir()).unwrap();
        let mut names: Vec<_> =
            listing.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

impl Hosted {
    fn refs(&self) -> Vec<(String, ObjectId)> {
        self.refs.lock().unwrap().iter().map(|(name, id)| (name.clone(), *id)).collect()
    }

    fn push(&self, body: &[u8]) -> Vec<u8> {
        let mut reader = BufReader::new(body);
        let request = match parse_commands(&mut reader, &ParseLimits::default()) {
            Ok(request) => request,
            Err(error) => return error.to_string().into_bytes(),
        };
        if request.is_probe() {
            return Vec::new();
        }
        self.pushes.lock().unwrap().push((request.clone(), body.len()));
        let writer = SidebandWriter::new(&request.capabilities);
        let mut answer = Vec::new();
        let report = self.take_in(&request, reader, &writer, &mut answer);
        answer.extend_from_slice(&writer.report(&report));
        answer
    }

    fn take_in(
        &self,
        request: &PushRequest,
        pack: BufReader<&[u8]>,
        writer: &SidebandWriter,
        answer: &mut Vec<u8>,
    ) -> Report {
        let refs = self.refs();
        let rules = RefRules { refs: &refs, default_branch: Some("refs/heads/main") };
        let mut verdicts = judge(&request.commands, rules);
        let mut quarantine = None;
        if request.expects_pack() {
            let mut progress = |progress| {
                answer.extend_from_slice(&writer.progress(&format!("{progress:?}\r")));
            };
            match self.repo.ingest(pack, &self.limits, &mut progress) {
                Ok(ingested) => quarantine = Some(ingested),
                Err(error) => {
                    assert!(!error.is_internal(), "{error:?}");
                    answer.extend_from_slice(&writer.message(&format!("refused: {error}\n")));
                    return Report::refused(&request.commands, error.to_string());
                }
            }
        }
        add_verdicts(&mut verdicts, self.repo.check_tips(quarantine.as_ref(), &request.commands).unwrap());
        if request.capabilities.atomic {
            settle_atomic(&mut verdicts);
        }
        let report = Report::new(&request.commands, verdicts);
        if report.accepted(&request.commands).count() > 0 {
            if let Some(quarantine) = quarantine {
                self.repo.accept(quarantine).unwrap();
            }
            let mut refs = self.refs.lock().unwrap();
            for (name, id) in report.accepted(&request.commands) {
                if id.is_null() {
                    refs.remove(name);
                } else {
                    refs.insert(name.to_owned(), id);
                }
            }
        }
        answer.extend_from_slice(&writer.message("kept as a draft\nsee the list\n"));
        report
    }
}

type Answer = ([(&'static str, &'static str); 1], Vec<u8>);

async fn info_refs(
    State(hosted): State<Arc<Hosted>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    if query.as_deref() == Some("service=git-upload-pack") {
        let refs = hosted.refs();
        let body = hosted.repo.advertise_fetch(version(&headers), source_refs(&refs)).unwrap();
        return ([("content-type", "application/x-git-upload-pack-advertisement")], body.to_vec());
    }
    let stale = hosted.stale_refs.lock().unwrap().clone();
    let refs = stale.unwrap_or_else(|| hosted.refs());
    ([("content-type", "application/x-git-receive-pack-advertisement")], advertise(&refs).to_vec())
}

async fn receive(State(hosted): State<Arc<Hosted>>, headers: HeaderMap, body: Bytes) -> Answer {
    if headers.get("transfer-encoding").is_some() {
        *hosted.chunked.lock().unwrap() = true;
    }
    ([("content-type", "application/x-git-receive-pack-result")], hosted.push(&body))
}

async fn upload(State(hosted): State<Arc<Hosted>>, headers: HeaderMap, body: Bytes) -> Answer {
    let mut plain = Vec::new();
    if headers.get("content-encoding").is_some_and(|coding| coding == "gzip") {
        GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap();
    } else {
        plain = body.to_vec();
    }
    ([("content-type", "application/x-git-upload-pack-result")], hosted.fetch(version(&headers), &plain))
}

fn version(headers: &HeaderMap) -> Version {
    Version::from_header(headers.get("git-protocol").map(|value| value.to_str().unwrap()))
}

fn source_refs(refs: &[(String, ObjectId)]) -> SourceRefs<'_> {
    SourceRefs { refs, head: "refs/heads/main" }
}

impl Hosted {
    fn fetch(&self, version: Version, body: &[u8]) -> Vec<u8> {
        let refs = self.refs();
        let request = match version {
            Version::V2 => match parse_v2(body, &Limits::default()).unwrap() {
                Command::LsRefs(request) => {
                    return self.repo.ls_refs(&request, source_refs(&refs)).unwrap().to_vec();
                }
                Command::Fetch(request) => *request,
                Command::Probe => return Vec::new(),
            },
            Version::V0 | Version::V1 => parse_v0(body, &Limits::default()).unwrap(),
        };
        match self.repo.fetch(&request, source_refs(&refs)).unwrap() {
            SourceAnswer::Reply(reply) => reply.to_vec(),
            SourceAnswer::Pack(pack) => {
                self.sent.lock().unwrap().push(pack.object_count());
                let mut out = Vec::new();
                pack.write(&mut out).unwrap();
                out
            }
        }
    }
}
