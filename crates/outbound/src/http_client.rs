//! Owns the one HTTP client: egress guard, time and size caps, redirects checked one by one. Refuses
//! proxies, cookies, decompression and retries.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use url::Url;

pub use crate::resolver::{LookUp, LookingUp};
use crate::{
    egress::{Egress, Refusal},
    error::{Error, Result},
    resolver::{self, Guard},
};

/// Bounds on every request.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// For the whole of a request, redirects and body included.
    pub patience: Duration,
    /// For one connection, TLS included.
    pub connecting: Duration,
    /// Bytes of an answer's body.
    pub body: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self { patience: Duration::from_secs(10), connecting: Duration::from_secs(5), body: 1 << 20 }
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

/// A request to be sent by [`Http::send`].
#[derive(Debug)]
pub struct Request {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
    redirects: usize,
    cap: Option<usize>,
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

impl Request {
    fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Bytes::new(), redirects: 0, cap: None }
    }

    /// A GET that follows no redirect.
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url).header(header::ACCEPT, HeaderValue::from_static("application/json"))
    }

    /// A POST of form fields (`application/x-www-form-urlencoded`) that asks for JSON.
    pub fn post_form(url: Url, fields: &[(&str, &str)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let mut request = Self::new(Method::POST, url)
            .header(header::ACCEPT, HeaderValue::from_static("application/json"))
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        request.body = form.finish().into();
        request
    }

    /// Sets one header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sets `Authorization: Bearer`. It is not sent on to another origin.
    pub fn bearer(self, token: &SecretString) -> Result<Self> {
        self.authorization(&format!("Bearer {}", token.expose_secret()))
    }

    /// Sets `Authorization: Basic`, with both parts form-encoded first as RFC 6749, section 2.3.1 wants it.
    pub fn client_basic(self, id: &str, secret: &SecretString) -> Result<Self> {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let encode = |part: &str| url::form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encode(id), encode(secret.expose_secret()));
        self.authorization(&format!("Basic {}", STANDARD.encode(pair)))
    }

    fn authorization(self, value: &str) -> Result<Self> {
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| Error::Config("a secret holds characters that no header can carry".to_owned()))?;
        value.set_sensitive(true);
        Ok(self.header(header::AUTHORIZATION, value))
    }

    /// Follows up to `count` redirects; each target passes the egress guard like the first.
    #[must_use]
    pub fn following(mut self, count: usize) -> Self {
        self.redirects = count;
        self
    }

    /// Takes at most `bytes` of a body.
    #[must_use]
    pub fn at_most(mut self, bytes: usize) -> Self {
        self.cap = Some(bytes);
        self
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
        let host = request.url.host_str().unwrap_or_default().to_owned();
        match tokio::time::timeout(self.limits.patience, self.follow(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::TimedOut { host }),
        }
    }

    async fn follow(&self, mut request: Request) -> Result<Answer> {
        let cap = request.cap.unwrap_or(self.limits.body);
        loop {
            self.egress.check(&request.url)?;
            let response = self.send_once(&request).await?;
            let Some(target) = redirect_target(&request.url, &response) else {
                return read(host_of(&request.url), response, cap).await;
            };
            // Only what changes nothing over there is asked twice.
            if request.redirects == 0 || request.method != Method::GET {
                return Err(Refusal::Redirect { host: host_of(&request.url) }.into());
            }
            request.redirects -= 1;
            if target.origin() != request.url.origin() {
                request.headers.remove(header::AUTHORIZATION);
            }
            request.url = target;
        }
    }

    async fn send_once(&self, request: &Request) -> Result<reqwest::Response> {
        self.client
            .request(request.method.clone(), request.url.clone())
            .headers(request.headers.clone())
            .body(request.body.clone())
            .send()
            .await
            .map_err(|error| of_transport(host_of(&request.url), error))
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

async fn read(host: String, mut response: reqwest::Response, cap: usize) -> Result<Answer> {
    let too_large = || Error::TooLarge { host: host.clone(), limit: cap };
    if response.content_length().is_some_and(|length| length > cap as u64) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| of_transport(host.clone(), error))? {
        if body.len() + chunk.len() > cap {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
    Ok(Answer { host, status, headers, body: body.freeze() })
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
