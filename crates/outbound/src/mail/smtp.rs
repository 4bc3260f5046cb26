//! Owns handing mail to a mail server (RFC 5321, STARTTLS by RFC 3207, or TLS from the first byte). Refuses
//! to send a password, or a mail, in the clear unless the operator asked for exactly that.

use std::{fmt, str::FromStr, time::Duration};

use jiff::Timestamp;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::message::{Message, Sender};
use crate::error::{Error, Result};

/// How a connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte, port 465 (RFC 8314).
    Tls,
    /// STARTTLS, required, port 587.
    StartTls,
    /// None, port 25: for a relay on this machine.
    Plain,
}

/// A mail server.
#[derive(Debug, Clone)]
pub struct SmtpConfig {
    /// Its name, which its certificate has to bear.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// User name and password.
    pub credentials: Option<(String, SecretString)>,
    /// More certificate authorities, as PEM, beside the system's.
    pub authorities: Vec<u8>,
    /// How long it may take to connect, and to hand over a mail.
    pub patience: Duration,
}

impl FromStr for SmtpConfig {
    type Err = Error;

    /// Reads `smtps://user:password@mail.example:465`, `smtp://mail.example:587` (STARTTLS is required), or
    /// `smtp+plain://127.0.0.1:25`. Special letters in user and password are percent-encoded.
    fn from_str(text: &str) -> Result<Self> {
        // The text may hold a password: it is not repeated.
        let wrong = |why: &str| {
            Error::Config(format!(
                "the mail server's address {why}; it looks like smtp://user:password@mail.example:587"
            ))
        };
        let url = Url::parse(text).map_err(|_| wrong("cannot be read"))?;
        let (security, usual) = match url.scheme() {
            "smtps" => (Security::Tls, 465),
            "smtp" => (Security::StartTls, 587),
            "smtp+plain" => (Security::Plain, 25),
            _ => return Err(wrong("begins with none of smtp://, smtps:// and smtp+plain://")),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("has no host"))?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("has more than a host and a port"));
        }
        let decode = |part| percent_decode_str(part).decode_utf8().map(String::from);
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) if !user.is_empty() => Some((
                decode(user).map_err(|_| wrong("has a user that is not text"))?,
                decode(password).map_err(|_| wrong("has a password that is not text"))?.into(),
            )),
            _ => return Err(wrong("has a user without a password, or a password without a user")),
        };
        Ok(Self {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: url.port().unwrap_or(usual),
            security,
            credentials,
            authorities: Vec::new(),
            patience: Duration::from_secs(30),
        })
    }
}

/// A mail server and who mail comes from. Connections are kept and shared.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    sender: Sender,
    patience: Duration,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("sender", &self.sender).finish_non_exhaustive()
    }
}

impl Smtp {
    /// A mail server, not connected to yet.
    ///
    /// # Errors
    /// [`Error::Config`] when the certificate authorities cannot be read.
    pub fn new(config: &SmtpConfig, sender: Sender) -> Result<Self> {
        let tls = match config.security {
            Security::Plain => Tls::None,
            Security::Tls => Tls::Wrapper(tls(config)?),
            Security::StartTls => Tls::Required(tls(config)?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.host)
            .port(config.port)
            .tls(tls)
            .timeout(Some(config.patience));
        if let Some((user, password)) = &config.credentials {
            builder =
                builder.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned()));
        }
        Ok(Self { transport: builder.build(), sender, patience: config.patience })
    }

    /// Connects, protects the connection, signs in, and says nothing more.
    pub(super) async fn check(&self) -> Result<()> {
        match self.in_time(self.transport.test_connection()).await? {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::Mail {
                reason: "the mail server ended the connection",
                transient: true,
                source: None,
            }),
            Err(error) => Err(failed(error)),
        }
    }

    pub(super) async fn send(&self, message: &Message, now: Timestamp, id: u128) -> Result<()> {
        let mail = self.sender.write(message, now, id)?;
        match self.in_time(self.transport.send(mail)).await? {
            Ok(_) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Gives a dialogue up that takes too long. The library's own limit is for connecting only: a server that accepts
    /// a connection and then says nothing would be waited for without end.
    async fn in_time<T>(&self, dialogue: impl Future<Output = T>) -> Result<T> {
        tokio::time::timeout(self.patience, dialogue).await.map_err(|_| Error::Mail {
            reason: "the mail server did not answer in time",
            transient: true,
            source: None,
        })
    }
}

/// What failed, for the log. Of what the server answered only its code is kept: many repeat the recipient.
fn failed(error: lettre::transport::smtp::Error) -> Error {
    let (reason, transient) = (reason(&error), !error.is_permanent());
    let source = match error.status() {
        // A server that refuses for good says so by a code of 5xx (RFC 5321, section 4.2.1).
        Some(code) => format!("it answered with code {code}").into(),
        None => error.into(),
    };
    Error::Mail { reason, transient, source: Some(source) }
}

fn reason(error: &lettre::transport::smtp::Error) -> &'static str {
    if error.is_permanent() || error.is_transient() {
        "the mail server refused it"
    } else if error.is_timeout() {
        "the mail server did not answer in time"
    } else if error.is_tls() {
        "no protected connection to the mail server"
    } else {
        "the mail server cannot be reached"
    }
}

fn tls(config: &SmtpConfig) -> Result<TlsParameters> {
    let unreadable =
        |_| Error::Config("the certificate authorities for mail are not PEM certificates".to_owned());
    let mut parameters = TlsParameters::builder(config.host.clone());
    for authority in authorities(&config.authorities) {
        parameters = parameters.add_root_certificate(Certificate::from_pem(&authority).map_err(unreadable)?);
    }
    parameters.build_rustls().map_err(|error| {
        Error::Config(format!(
            "mail cannot be protected by TLS ({error}); is the package ca-certificates installed?"
        ))
    })
}

/// The certificates of a bundle, one by one.
fn authorities(bundle: &[u8]) -> Vec<Vec<u8>> {
    const END: &str = "-----END CERTIFICATE-----";
    let text = String::from_utf8_lossy(bundle);
    text.split_inclusive(END)
        .filter(|part| part.contains(END))
        .map(|part| part.trim().as_bytes().to_vec())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_how_the_connection_is_protected() {
        for (text, host, port, security, user) in [
            ("smtps://mail.example", "mail.example", 465, Security::Tls, None),
            ("smtp://a%40b:p%2Fw@mail.example", "mail.example", 587, Security::StartTls, Some("a@b")),
            ("smtp://mail.example:2525/", "mail.example", 2525, Security::StartTls, None),
            ("smtp+plain://127.0.0.1", "127.0.0.1", 25, Security::Plain, None),
            ("smtp+plain://[::1]:2525", "::1", 2525, Security::Plain, None),
        ] {
            let config: SmtpConfig = text.parse().unwrap();
            assert_eq!(
                (config.host.as_str(), config.port, config.security),
                (host, port, security),
                "{text}"
            );
            assert_eq!(config.credentials.as_ref().map(|(user, _)| user.as_str()), user, "{text}");
        }
    }

    #[test]
    fn a_wrong_address_is_refused_without_repeating_its_password() {
        for text in [
            "mail.example",
            "http://user:hunter2@mail.example",
            "smtp://user@mail.example",
            "smtp://:hunter2@mail.example",
            "smtp://user:hunter2@mail.example?tls=none",
            "smtp://user:hunter2@mail.example/path",
            "smtp://",
            "",
        ] {
            let error = text.parse::<SmtpConfig>().unwrap_err().to_string();
            assert!(!error.contains("hunter2") && error.contains("smtp://user:password@"), "{text}: {error}");
        }
    }
}
