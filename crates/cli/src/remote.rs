//! Owns speaking HTTP to the server: one client, one way of telling what went wrong. Redirects are not
//! followed: a token goes to the address that was named, or nowhere.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::{Client, RequestBuilder, StatusCode, header};
use serde::de::DeserializeOwned;
use skaas_api::{OAuthError, Problem, Secret};

use crate::{
    address::Address,
    failure::{Failure, Kind, Result},
    output::plain,
};

/// No document of ours comes near it.
const MAX_BODY: usize = 4 << 20;

/// A server, and the way to it.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    pub(crate) address: Address,
    client: Client,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: header::HeaderMap,
    body: Vec<u8>,
}

impl Remote {
    pub(crate) fn new(address: Address) -> Result<Self> {
        let client = Client::builder()
            .user_agent(concat!("skaas/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_secs(30))
            .build()
            .map_err(|error| {
                Failure::new(Kind::Failed, "cannot set up HTTPS on this machine")
                    .why(causes(&error).pop().unwrap_or_default())
            })?;
        Ok(Self { address, client })
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(self.address.at(path))
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(self.address.at(path))
    }

    pub(crate) fn delete(&self, path: &str) -> RequestBuilder {
        self.client.delete(self.address.at(path))
    }

    /// Sends, and reads the whole answer, whatever its status.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Answer> {
        let mut response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BODY {
                return Err(self.foreign("its answer does not end"));
            }
        }
        Ok(Answer { status, headers, body })
    }

    /// Sends with the token and reads a document.
    pub(crate) async fn fetch<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        token: &Secret,
    ) -> Result<T> {
        let answer = self.send(request.bearer_auth(token.reveal())).await?;
        self.document(&answer)
    }

    /// The document of a successful answer, or what the refusal means.
    pub(crate) fn document<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T> {
        if !answer.status.is_success() {
            return Err(self.refusal(answer));
        }
        answer.json().ok_or_else(|| self.foreign("its answer is not the document that was asked for"))
    }

    /// What an answer that is no success means.
    pub(crate) fn refusal(&self, answer: &Answer) -> Failure {
        let address = &self.address;
        let said =
            answer.json::<Problem>().map(|problem| plain(&problem.detail)).filter(|said| !said.is_empty());
        let status = answer.status;
        match status.as_u16() {
            300..=399 => {
                let to = answer.header("location").unwrap_or_else(|| "another address".into());
                Failure::new(Kind::Refused, format!("{address} sends us elsewhere, to {to}"))
                    .why("a token is sent to the address that you named and to no other")
                    .next("skaas config set url https://HOST, with the host it names, if you trust it")
            }
            401 => Failure::token_refused(address),
            403 => Failure::new(Kind::Refused, format!("{address} does not allow this"))
                .why(said.unwrap_or_else(|| "the token of this device may not do it".into())),
            404 | 405 => Failure::new(Kind::NotFound, format!("{address} has no such thing"))
                .why(said.unwrap_or_else(|| format!("it answered {status}; is it a skaas server?")))
                .next(self.doctor()),
            429 => Failure::new(Kind::Refused, format!("{address} asks for a pause"))
                .why(said.unwrap_or_else(|| "too many requests in a short time".into()))
                .next(match answer.header("retry-after") {
                    Some(seconds) => format!("try again in {seconds} seconds"),
                    None => "try again in a minute".into(),
                }),
            500..=599 => Failure::new(Kind::Network, format!("{address} cannot answer right now"))
                .why(said.unwrap_or_else(|| format!("it answered {status}")))
                .next(format!("try again in a minute; {}", self.doctor())),
            _ => Failure::new(Kind::Refused, format!("{address} refuses this"))
                .why(said.unwrap_or_else(|| format!("it answered {status}"))),
        }
    }

    fn doctor(&self) -> String {
        format!("skaas doctor --url {}", self.address)
    }

    /// Something answers there, but it is not one of ours.
    pub(crate) fn foreign(&self, why: &str) -> Failure {
        Failure::new(Kind::Network, format!("{} does not answer like a skaas server", self.address))
            .why(why)
            .next(format!("check the address; {}", self.doctor()))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let causes = causes(error);
        let why = if error.is_timeout() {
            "no answer in time".to_owned()
        } else if error.is_connect() && causes.iter().any(|cause| cause.contains("dns")) {
            format!("the name {} is not known here", self.address.machine())
        } else {
            causes.last().cloned().unwrap_or_default()
        };
        let proxy = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
            .into_iter()
            .find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
        let why = match proxy {
            Some(name) => format!("{why} (through the proxy in {name})"),
            None => why,
        };
        Failure::new(Kind::Network, format!("cannot reach {}", self.address)).why(why).next(self.doctor())
    }
}

/// What lies at the bottom of an error: `Connection refused`, `invalid peer certificate`. The layers above it
/// only say which library passed it on, and name the URL.
fn causes(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    let mut all: Vec<String> = std::iter::successors(error.source(), |e| e.source())
        .map(|cause| plain(&cause.to_string()))
        .collect();
    if all.is_empty() {
        all.push(plain(&error.to_string()));
    }
    all
}

impl Answer {
    /// The body as a document; none when it is something else.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The refusal of an OAuth endpoint.
    pub(crate) fn oauth_error(&self) -> Option<OAuthError> {
        self.json()
    }

    /// A header, fit for a terminal.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(plain)
    }

    /// What the server believes the time to be.
    pub(crate) fn date(&self) -> Option<Timestamp> {
        let text = self.header("date")?;
        jiff::fmt::rfc2822::parse(&text).ok().map(|zoned| zoned.timestamp())
    }
}
