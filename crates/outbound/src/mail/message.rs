//! Owns what a mail is, and its form on the wire. Refuses texts that would break out of their header.

use std::time::SystemTime;

use jiff::Timestamp;
use lettre::{
    Address,
    message::{Mailbox, MultiPart, header},
};

use crate::error::{Error, Result};

/// A mail to one person.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Their address.
    pub to: String,
    /// One line.
    pub subject: String,
    /// What it says, as plain text.
    pub text: String,
    /// The same as HTML, complete and without anything that is loaded.
    pub html: String,
}

impl std::fmt::Debug for Message {
    /// Addresses, and links that open accounts, are not for logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// Who mail comes from: `Skills <skills@example.com>` or a bare address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender(Mailbox);

impl std::str::FromStr for Sender {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.parse().map(Self).map_err(|_| {
            Error::Config(format!("the sender {text:?} is not like \"Skills <skills@example.com>\""))
        })
    }
}

impl Sender {
    /// The mail as it is sent. `id` makes its Message-ID, below the sender's own domain.
    pub(super) fn write(&self, message: &Message, now: Timestamp, id: u128) -> Result<lettre::Message> {
        let unsendable = |reason| Error::Mail { reason, transient: false, source: None };
        if message.subject.chars().any(char::is_control) {
            return Err(unsendable("its subject is more than one line"));
        }
        let to: Address = message.to.parse().map_err(|_| unsendable("the address is not a mail address"))?;
        lettre::Message::builder()
            .from(self.0.clone())
            .to(Mailbox::new(None, to))
            .subject(message.subject.clone())
            .date(SystemTime::from(now))
            .message_id(Some(format!("<{id:032x}@{}>", self.0.email.domain())))
            // RFC 3834: nobody's holiday notice answers this.
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(message.text.clone(), message.html.clone()))
            .map_err(|error| Error::Mail {
                reason: "it cannot be put into mail's form",
                transient: false,
                source: Some(error.into()),
            })
    }
}

#[derive(Clone)]
struct AutoSubmitted;

impl header::Header for AutoSubmitted {
    fn name() -> header::HeaderName {
        header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> std::result::Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> header::HeaderValue {
        header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender() -> Sender {
        "Skills <skills@skaas.example>".parse().unwrap()
    }

    fn message(to: &str, subject: &str) -> Message {
        Message {
            to: to.to_owned(),
            subject: subject.to_owned(),
            text: "Hello".to_owned(),
            html: "<p>Hello".to_owned(),
        }
    }

    #[test]
    fn a_mail_says_who_when_and_that_no_machine_need_answer() {
        let at: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let mail = sender().write(&message("ann@example.com", "Grüße"), at, 7).unwrap();
        let text = String::from_utf8(mail.formatted()).unwrap();
        for line in [
            "From: Skills <skills@skaas.example>",
            "To: ann@example.com",
            "Date: Fri, 20 Nov 2026 12:00:00 +0000",
            "Message-ID: <00000000000000000000000000000007@skaas.example>",
            "Auto-Submitted: auto-generated",
            "Subject: =?utf-8?b?R3LDvMOfZQ==?=",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn nothing_breaks_out_of_its_header() {
        let at = Timestamp::UNIX_EPOCH;
        for (to, subject) in [
            ("ann@example.com\r\nBcc: eve@example.com", "Hello"),
            ("ann@example.com, eve@example.com", "Hello"),
            ("Ann <ann@example.com>", "Hello"),
            ("", "Hello"),
            ("ann@example.com", "Hello\r\nBcc: eve@example.com"),
            ("ann@example.com", "Hello\nBcc: eve@example.com"),
        ] {
            assert!(sender().write(&message(to, subject), at, 1).is_err(), "{to:?} {subject:?}");
        }
    }

    #[test]
    fn a_mail_prints_neither_its_address_nor_its_text() {
        let printed =
            format!("{:?}", Message { text: "link-secret".into(), ..message("ann@example.com", "Hello") });
        assert!(!printed.contains("ann@") && !printed.contains("link-secret"), "{printed}");
    }
}
