//! HTTP to the server: one client, and one way to explain what went wrong. Redirects are not followed: a token goes to
//! the address that the user named, or nowhere.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::{Client, RequestBuilder, StatusCode, header};
use serde::de::DeserializeOwned;
use skaas_api::{Me, OAuthError, Problem, Secret};

use crate::{
    account::Account,
    address::Address,
    failure::{Failure, Kind, Result},
    output::plain,
    trouble,
};

/// Far more than any answer of ours.
const MAX_BODY: usize = 4 << 20;

/// A connection to a server.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    pub(crate) address: Address,
    client: Client,
}

/// The server's answer.
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
                    .why(trouble::causes(&error).pop().unwrap_or_default())
                    .next("install your system's CA certificates; if SSL_CERT_FILE is set, check that file")
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

    /// Sends a request and reads the complete answer, whatever its status.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Answer> {
        let mut response =
            request.send().await.map_err(|error| trouble::unreachable(&self.address, &error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| trouble::unreachable(&self.address, &error))?
        {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BODY {
                return Err(self.foreign("its answer is too long"));
            }
        }
        Ok(Answer { status, headers, body })
    }

    /// Sends a request with the token and reads a document.
    pub(crate) async fn fetch<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        token: &Secret,
    ) -> Result<T> {
        let answer = self.send(request.bearer_auth(token.reveal())).await?;
        self.document(&answer)
    }

    /// Asks who the token belongs to, and checks the answer.
    pub(crate) async fn account(&self, token: &Secret) -> Result<Account> {
        Account::check(&self.address, self.fetch::<Me>(self.get("/api/me"), token).await?)
    }

    /// The document in a successful answer, or an explanation of the refusal.
    pub(crate) fn document<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T> {
        if !answer.status.is_success() {
            return Err(self.refusal(answer));
        }
        answer.json().ok_or_else(|| self.foreign("its answer is not the expected document"))
    }

    /// Explains an answer that is not a success.
    pub(crate) fn refusal(&self, answer: &Answer) -> Failure {
        let address = &self.address;
        let said =
            answer.json::<Problem>().map(|problem| plain(&problem.detail)).filter(|said| !said.is_empty());
        let status = answer.status;
        match status.as_u16() {
            300..=399 => {
                let to = answer.header("location").unwrap_or_else(|| "another address".into());
                Failure::new(Kind::Refused, format!("{address} redirects to {to}"))
                    .why("your token is only sent to the address that you named")
                    .next("if you trust that host, use its address with --url")
            }
            401 => Failure::token_refused(address),
            403 => Failure::new(Kind::Refused, format!("{address} denied permission"))
                .why(said.unwrap_or_else(|| "this machine's token does not have the required scope".into())),
            404 | 405 => Failure::new(Kind::NotFound, format!("{address} did not find it"))
                .why(said.unwrap_or_else(|| format!("it answered {status}; it may not be a skaas server")))
                .next(self.doctor()),
            429 => Failure::new(Kind::Refused, format!("{address} is limiting requests"))
                .why(said.unwrap_or_else(|| "there were too many requests in a short time".into()))
                .next(match answer.header("retry-after").and_then(|text| text.parse::<u64>().ok()) {
                    Some(seconds) => format!("try again in {seconds} seconds"),
                    None => "try again in a minute".into(),
                }),
            500..=599 => Failure::new(Kind::Network, format!("{address} is not available right now"))
                .why(said.unwrap_or_else(|| format!("it answered {status}")))
                .next(format!("try again in a minute, or run {}", self.doctor())),
            _ => Failure::new(Kind::Refused, format!("{address} refused the request"))
                .why(said.unwrap_or_else(|| format!("it answered {status}"))),
        }
    }

    fn doctor(&self) -> String {
        self.address.command("doctor")
    }

    /// Something answers at that address, but it is not a skaas server.
    pub(crate) fn foreign(&self, why: &str) -> Failure {
        Failure::new(Kind::Network, format!("{} does not respond like a skaas server", self.address))
            .why(why)
            .next(format!("check the address, or run {}", self.doctor()))
    }
}

impl Answer {
    /// The body as a document; `None` if it is something else.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The error of an OAuth endpoint.
    pub(crate) fn oauth_error(&self) -> Option<OAuthError> {
        self.json()
    }

    /// A header, safe to print.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(plain)
    }

    /// The server's time.
    pub(crate) fn date(&self) -> Option<Timestamp> {
        let text = self.header("date")?;
        jiff::fmt::rfc2822::parse(&text).ok().map(|zoned| zoned.timestamp())
    }
}
