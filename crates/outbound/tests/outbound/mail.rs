//! Sending mail through a real mail server that insists on STARTTLS and a password.

use skaas_outbound::{
    Error,
    mail::{Mailer, Message, Security, Smtp, SmtpConfig},
};

use crate::{exported, real_now};

/// The mail server of `scripts/test-identity-providers.sh`, its address changed by `change`.
fn mailer(change: impl FnOnce(SmtpConfig) -> SmtpConfig) -> Option<Mailer> {
    let mut config: SmtpConfig = exported("SKAAS_TEST_SMTP_URL")?.parse().unwrap();
    config.authorities = std::fs::read(exported("SKAAS_TEST_SMTP_CA")?).unwrap();
    let smtp = Smtp::new(&change(config), "Skills <skills@skaas.example>".parse().unwrap()).unwrap();
    Some(Mailer::Smtp(smtp))
}

fn message(to: &str, text: &str) -> Message {
    Message {
        to: to.to_owned(),
        subject: "Bestätige deine Adresse".to_owned(),
        text: text.to_owned(),
        html: format!("<p>{text}</p>"),
    }
}

async fn send(mailer: &Mailer, message: &Message) -> Result<(), Error> {
    mailer.send(message, real_now(), 31).await
}

/// Every mail in the server's folder that holds `text`.
fn received(text: &str) -> Vec<String> {
    let folder = exported("SKAAS_TEST_SMTP_FOLDER").unwrap();
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mails = files.filter(|path| path.extension().is_some_and(|name| name == "eml"));
    mails.map(|path| std::fs::read_to_string(path).unwrap()).filter(|mail| mail.contains(text)).collect()
}

/// A word that no other run writes.
fn unique(name: &str) -> String {
    format!("{name}-{}-{}", std::process::id(), real_now().as_nanosecond())
}

#[tokio::test]
async fn a_mail_arrives_over_tls_as_text_and_as_html() {
    let Some(mailer) = mailer(|config| config) else { return };
    let text = unique("arrives");
    send(&mailer, &message("ann@example.com", &text)).await.unwrap();
    let mails = received(&text);
    assert_eq!(mails.len(), 1);
    for part in [
        "X-Envelope-To: ann@example.com",
        "X-Tls: yes",
        "From: Skills <skills@skaas.example>",
        "Message-ID: <0000000000000000000000000000001f@skaas.example>",
        "Auto-Submitted: auto-generated",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Type: text/html; charset=utf-8",
        &format!("<p>{text}</p>"),
    ] {
        assert!(mails[0].contains(part), "{part} is missing in\n{}", mails[0]);
    }
}

#[tokio::test]
async fn a_refusal_says_whether_a_later_try_may_help() {
    let Some(mailer) = mailer(|config| config) else { return };
    for (to, transient) in [("refused@example.com", false), ("later@example.com", true)] {
        let error = send(&mailer, &message(to, "refused")).await.unwrap_err();
        assert!(matches!(error, Error::Mail { reason: "the mail server refused it", .. }), "{error:?}");
        assert_eq!(error.is_transient(), transient, "{to}");
        assert!(!format!("{error} {error:?}").contains(to), "the log would repeat it: {error:?}");
    }
}

#[tokio::test]
async fn a_mail_server_is_checked_up_to_the_password_and_nothing_is_sent() {
    let Some(mailer) = mailer(|config| config) else { return };
    mailer.check().await.unwrap();
    let wrong = |config: SmtpConfig| SmtpConfig {
        credentials: config.credentials.map(|(user, _)| (user, "another".to_owned().into())),
        ..config
    };
    let refused = self::mailer(wrong).unwrap().check().await.unwrap_err();
    assert!(matches!(refused, Error::Mail { reason: "the mail server refused it", .. }), "{refused:?}");
    let nobody = self::mailer(|config| SmtpConfig { port: 1, ..config }).unwrap().check().await.unwrap_err();
    assert!(matches!(nobody, Error::Mail { reason: "the mail server cannot be reached", .. }), "{nobody:?}");
}

#[tokio::test]
async fn nothing_is_sent_in_the_clear_or_to_a_server_that_cannot_be_trusted() {
    let text = unique("clear");
    let untrusted = |config| SmtpConfig { authorities: Vec::new(), ..config };
    let other_name = |config| SmtpConfig { host: "127.0.0.2".to_owned(), ..config };
    let wrong_password =
        |config| SmtpConfig { credentials: Some(("skaas".into(), "wrong".to_owned().into())), ..config };
    let plain = |config| SmtpConfig { security: Security::Plain, ..config };
    let tls = |config| SmtpConfig { security: Security::Tls, ..config };
    let Some(first) = mailer(untrusted) else { return };
    let all = [Some(first), mailer(other_name), mailer(wrong_password), mailer(plain), mailer(tls)];
    for (case, mailer) in all.into_iter().enumerate() {
        let sent = send(&mailer.unwrap(), &message("ann@example.com", &text)).await;
        assert!(matches!(sent, Err(Error::Mail { .. })), "{case}: {sent:?}");
    }
    assert!(received(&text).is_empty());
}
