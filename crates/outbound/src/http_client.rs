//! The one HTTP client: egress guard, time and size caps, redirects checked one by one, answers read whole or in
//! pieces. Proxies, cookies, decompression and retries are off.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use url::Url;

use crate::{
    egress::{Egress, Refusal},
    error::{Error, Result},
    request::{Body, Upload},
    resolver::{self, Guard},
};
pub use crate::{
    request::Request,
    resolver::{LookUp, LookingUp},
};

/// Bounds on every request.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// For the whole of a request, redirects and body included. For an answer that is read in pieces: for its head, and
    /// then for each piece.
    pub patience: Duration,
    /// For the whole of an answer that is read in pieces.
    pub duration: Duration,
    /// For one connection, TLS included.
    pub connecting: Duration,
    /// Bytes of an answer's body.
    pub body: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(10),
            duration: Duration::from_mins(5),
            connecting: Duration::from_secs(5),
            body: 1 << 20,
        }
    }
}

/// The one HTTP client. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    egress: Arc<Egress>,
    limits: HttpLimits,
}

/// What differs from the ordinary, mostly in tests and in companies.
#[derive(Default)]
pub struct HttpOptions {
    /// Bounds.
    pub limits: HttpLimits,
    /// More certificate authorities, as PEM, beside the system's: a company's own.
    pub authorities: Vec<u8>,
    /// Another way from names to addresses than the machine's.
    pub look_up: Option<LookUp>,
}

/// A whole answer, of whatever status.
#[derive(Debug)]
pub struct Answer {
    /// Who answered: the host of the last redirect's target.
    pub host: String,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, within the limit.
    pub body: Bytes,
}

/// An answer of whatever status, read in pieces.
#[derive(Debug)]
pub struct Incoming {
    /// Who answers: the host of the last redirect's target.
    pub host: String,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    response: reqwest::Response,
    limit: usize,
    taken: usize,
    patience: Duration,
    end: Instant,
}

impl Incoming {
    /// The next piece of the body, of whatever length; `None` at its end.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::TimedOut`], and [`Error::Unreachable`] for a connection that breaks. The rest is
    /// not read then.
    pub async fn piece(&mut self) -> Result<Option<Bytes>> {
        let too_large = || Error::TooLarge { host: self.host.clone(), limit: self.limit };
        if self.response.content_length().is_some_and(|length| length > self.limit as u64) {
            return Err(too_large());
        }
        let end = self.end.min(Instant::now() + self.patience);
        let Ok(piece) = tokio::time::timeout_at(end, self.response.chunk()).await else {
            return Err(Error::TimedOut { host: self.host.clone() });
        };
        let piece = piece.map_err(|error| of_transport(self.host.clone(), error))?;
        self.taken += piece.as_ref().map_or(0, Bytes::len);
        if self.taken > self.limit { Err(too_large()) } else { Ok(piece) }
    }

    /// Reads all of it.
    pub async fn whole(mut self) -> Result<Answer> {
        let mut body = BytesMut::new();
        while let Some(piece) = self.piece().await? {
            body.extend_from_slice(&piece);
        }
        let Self { host, status, headers, .. } = self;
        Ok(Answer { host, status, headers, body: body.freeze() })
    }
}

impl Answer {
    /// The answer, if its status says that it worked.
    pub fn successful(self) -> Result<Self> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(Error::Status { host: self.host, status: self.status })
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    /// [`Error::Malformed`] that calls the expected thing `what` ("a discovery document").
    pub fn json<T: DeserializeOwned>(&self, what: &'static str) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| Error::malformed(&self.host, what, error))
    }
}

impl Http {
    /// A client behind `egress`.
    pub fn new(egress: Egress) -> Result<Self> {
        Self::with(egress, HttpOptions::default())
    }

    /// A client behind `egress`, with `options`.
    ///
    /// # Errors
    /// [`Error::Config`] when the certificate authorities cannot be read.
    pub fn with(egress: Egress, options: HttpOptions) -> Result<Self> {
        let HttpOptions { limits, authorities, look_up } = options;
        let egress = Arc::new(egress);
        let guard = Guard { egress: Arc::clone(&egress), look_up: look_up.unwrap_or_else(resolver::system) };
        let mut client = reqwest::Client::builder()
            .user_agent(concat!("skaas/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(guard))
            // A proxy would resolve names on our behalf, past the guard.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // Bombs: whoever else switches these features on in the same build does not switch them on here.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .connect_timeout(limits.connecting)
            .pool_idle_timeout(Duration::from_secs(30));
        if !authorities.is_empty() {
            let certificates = reqwest::Certificate::from_pem_bundle(&authorities).map_err(|_| {
                Error::Config("the certificate authorities are not PEM certificates".to_owned())
            })?;
            client = client.tls_certs_merge(certificates);
        }
        let client = client.build().map_err(|error| {
            Error::Config(format!(
                "the HTTP client cannot start ({error}); is the package ca-certificates installed?"
            ))
        })?;
        Ok(Self { client, egress, limits })
    }

    /// What may be called.
    pub fn egress(&self) -> &Egress {
        &self.egress
    }

    /// Sends `request` and reads the whole answer.
    ///
    /// # Errors
    /// [`Error::Refused`] before any connection to what is off-limits; [`Error::TimedOut`],
    /// [`Error::TooLarge`], [`Error::Unreachable`]. A status is not an error here.
    pub async fn send(&self, request: Request) -> Result<Answer> {
        let host = host_of(&request.url);
        let patience = request.bounds.patience.unwrap_or(self.limits.patience);
        let answer = async { self.follow(request).await?.whole().await };
        match tokio::time::timeout(patience, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::TimedOut { host }),
        }
    }

    /// Sends `request` and gives the answer to be read in pieces.
    ///
    /// # Errors
    /// As [`Http::send`].
    pub async fn open(&self, request: Request) -> Result<Incoming> {
        let host = host_of(&request.url);
        let patience = request.bounds.patience.unwrap_or(self.limits.patience);
        match tokio::time::timeout(patience, self.follow(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::TimedOut { host }),
        }
    }

    async fn follow(&self, mut request: Request) -> Result<Incoming> {
        let end = Instant::now() + request.bounds.duration.unwrap_or(self.limits.duration);
        loop {
            self.egress.check(&request.url)?;
            let is_whole = matches!(request.body, Body::Whole(_));
            let response = self.send_once(&mut request).await?;
            let Some(target) = redirect_target(&request.url, &response) else {
                return Ok(self.incoming(&request, response, end));
            };
            // Only what changes nothing over there is asked twice.
            if request.redirects == 0 || request.method != Method::GET || !is_whole {
                return Err(Refusal::Redirect { host: host_of(&request.url) }.into());
            }
            request.redirects -= 1;
            if target.origin() != request.url.origin() {
                request.forget_secrets();
            }
            request.url = target;
        }
    }

    fn incoming(&self, request: &Request, mut response: reqwest::Response, end: Instant) -> Incoming {
        Incoming {
            host: host_of(&request.url),
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
            response,
            limit: request.bounds.cap.unwrap_or(self.limits.body),
            taken: 0,
            patience: request.bounds.patience.unwrap_or(self.limits.patience),
            end,
        }
    }

    /// Takes a body that can be sent only once out of `request`.
    async fn send_once(&self, request: &mut Request) -> Result<reqwest::Response> {
        let Request { method, url, headers, body, .. } = request;
        let call = self.client.request(method.clone(), url.clone()).headers(headers.clone());
        let call = match body {
            Body::Whole(content) => call.body(content.clone()),
            once => match std::mem::replace(once, Body::Whole(Bytes::new())) {
                Body::Form(form) => call.multipart(form),
                Body::Upload(Upload { body, length: Some(length) }) => {
                    call.header(header::CONTENT_LENGTH, length).body(body)
                }
                Body::Upload(Upload { body, length: None }) => call.body(body),
                Body::Whole(content) => call.body(content),
            },
        };
        call.send().await.map_err(|error| of_transport(host_of(url), error))
    }
}

fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

fn redirect_target(from: &Url, response: &reqwest::Response) -> Option<Url> {
    let moved = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get(header::LOCATION).filter(|_| moved)?;
    from.join(location.to_str().ok()?).ok()
}

/// What the transport's error is to us. Its URL is taken out: a query may hold secrets.
fn of_transport(host: String, error: reqwest::Error) -> Error {
    let error = error.without_url();
    let chain =
        std::iter::successors(Some(&error as &(dyn std::error::Error + 'static)), |error| error.source());
    for cause in chain {
        if let Some(refusal) = cause.downcast_ref::<Refusal>() {
            return refusal.clone().into();
        }
    }
    if error.is_timeout() {
        return Error::TimedOut { host };
    }
    Error::Unreachable { host, source: error.into() }
}
