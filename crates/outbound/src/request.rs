//! What is asked of another server: method, headers, a body of any kind, and the bounds of this one call. Sending it is
//! [`crate::http_client::Http`]'s.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use url::Url;

use crate::error::{Error, Result};

/// Any error of whoever supplies a body.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A request to be sent by [`Http::send`](crate::Http::send) or [`Http::open`](crate::Http::open).
#[derive(Debug)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    pub(crate) redirects: usize,
    pub(crate) bounds: Bounds,
}

/// What differs from the client's own bounds for one call.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bounds {
    pub(crate) cap: Option<usize>,
    pub(crate) patience: Option<Duration>,
    pub(crate) duration: Option<Duration>,
}

/// What is sent.
pub(crate) enum Body {
    Whole(Bytes),
    Upload(Upload),
    Form(reqwest::multipart::Form),
}

impl std::fmt::Debug for Body {
    /// Without the content, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Whole(_) => "Whole",
            Self::Upload(_) => "Upload",
            Self::Form(_) => "Form",
        })
    }
}

/// Bytes that are sent as they arrive, without being held in memory.
pub struct Upload {
    pub(crate) body: reqwest::Body,
    pub(crate) length: Option<u64>,
}

impl Upload {
    /// What `pieces` yields. If it fails, so does the call. A known `length` is announced; many servers want one.
    pub fn new<S>(pieces: S, length: Option<u64>) -> Self
    where
        S: TryStream<Ok = Bytes> + Send + 'static,
        S::Error: Into<BodyError>,
    {
        Self { body: reqwest::Body::wrap_stream(pieces), length }
    }
}

/// A form with files in it (`multipart/form-data`, RFC 7578).
#[derive(Default)]
pub struct Form(reqwest::multipart::Form);

impl Form {
    /// Adds a field.
    #[must_use]
    pub fn text(self, name: &str, value: &str) -> Self {
        Self(self.0.text(name.to_owned(), value.to_owned()))
    }

    /// Adds a file of this name and media type, sent as it arrives.
    ///
    /// # Errors
    /// [`Error::Config`] for a media type that is none.
    pub fn file(self, name: &str, file_name: &str, media_type: &str, content: Upload) -> Result<Self> {
        let Upload { body, length } = content;
        let part = match length {
            Some(length) => reqwest::multipart::Part::stream_with_length(body, length),
            None => reqwest::multipart::Part::stream(body),
        };
        let part = part
            .file_name(file_name.to_owned())
            .mime_str(media_type)
            .map_err(|_| Error::Config(format!("{media_type:?} is not a media type")))?;
        Ok(Self(self.0.part(name.to_owned(), part)))
    }
}

impl Request {
    /// A request without a body that follows no redirect.
    pub fn new(method: Method, url: Url) -> Self {
        let body = Body::Whole(Bytes::new());
        Self { method, url, headers: HeaderMap::new(), body, redirects: 0, bounds: Bounds::default() }
    }

    /// A GET that asks for JSON and follows no redirect.
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url).asking_for_json()
    }

    /// A POST of form fields (`application/x-www-form-urlencoded`) that asks for JSON.
    pub fn post_form(url: Url, fields: &[(&str, &str)]) -> Self {
        Self::new(Method::POST, url).asking_for_json().form(fields)
    }

    fn asking_for_json(self) -> Self {
        self.header(header::ACCEPT, HeaderValue::from_static("application/json"))
    }

    /// Sends bytes of this media type.
    #[must_use]
    pub fn body(mut self, media_type: HeaderValue, content: Bytes) -> Self {
        self.body = Body::Whole(content);
        self.header(header::CONTENT_TYPE, media_type)
    }

    /// Sends form fields (`application/x-www-form-urlencoded`).
    #[must_use]
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let media_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        self.body(media_type, form.finish().into())
    }

    /// Sends JSON.
    ///
    /// # Errors
    /// [`Error::Config`] for a value that JSON cannot express.
    pub fn json(self, value: &impl Serialize) -> Result<Self> {
        let text = serde_json::to_vec(value)
            .map_err(|error| Error::Config(format!("the body cannot be written as JSON: {error}")))?;
        Ok(self.body(HeaderValue::from_static("application/json"), text.into()))
    }

    /// Sends a form with files in it.
    #[must_use]
    pub fn multipart(mut self, form: Form) -> Self {
        self.body = Body::Form(form.0);
        self
    }

    /// Sends bytes of this media type as they arrive. Such a request follows no redirect: it can be sent only once.
    #[must_use]
    pub fn upload(mut self, media_type: HeaderValue, content: Upload) -> Self {
        self.body = Body::Upload(content);
        self.header(header::CONTENT_TYPE, media_type)
    }

    /// Sets one header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sets a header that holds a secret. It is not sent on to another origin.
    ///
    /// # Errors
    /// [`Error::Config`] for a secret that no header can carry.
    pub fn secret_header(self, name: HeaderName, value: &SecretString) -> Result<Self> {
        let mut value = HeaderValue::from_str(value.expose_secret())
            .map_err(|_| Error::Config("a secret holds characters that no header can carry".to_owned()))?;
        value.set_sensitive(true);
        Ok(self.header(name, value))
    }

    /// Sets `Authorization: Bearer`. It is not sent on to another origin.
    pub fn bearer(self, token: &SecretString) -> Result<Self> {
        self.authorization(format!("Bearer {}", token.expose_secret()))
    }

    /// Sets `Authorization: Basic`, with both parts form-encoded first as RFC 6749, section 2.3.1 wants it.
    pub fn client_basic(self, id: &str, secret: &SecretString) -> Result<Self> {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let encode = |part: &str| url::form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encode(id), encode(secret.expose_secret()));
        self.authorization(format!("Basic {}", STANDARD.encode(pair)))
    }

    fn authorization(self, value: String) -> Result<Self> {
        self.secret_header(header::AUTHORIZATION, &value.into())
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
        self.bounds.cap = Some(bytes);
        self
    }

    /// Waits this long instead of [`HttpLimits::patience`](crate::HttpLimits::patience).
    #[must_use]
    pub fn within(mut self, patience: Duration) -> Self {
        self.bounds.patience = Some(patience);
        self
    }

    /// Reads an answer in pieces for this long instead of [`HttpLimits::duration`](crate::HttpLimits::duration).
    #[must_use]
    pub fn lasting(mut self, duration: Duration) -> Self {
        self.bounds.duration = Some(duration);
        self
    }

    /// Drops what the origin that was called first may know and another may not.
    pub(crate) fn forget_secrets(&mut self) {
        let secret: Vec<HeaderName> = self
            .headers
            .iter()
            .filter(|(name, value)| {
                value.is_sensitive() || [header::AUTHORIZATION, header::COOKIE].contains(name)
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in secret {
            self.headers.remove(name);
        }
    }
}
