//! The emails that people get. They contain no text of a stranger's beyond a username, so that nobody can use
//! our mail to send a message.
//!
//! Each is a job, added in the transaction of the change that it tells of. A waiting one holds no secret: every attempt
//! makes the link that it mails, so neither a stolen database nor a backup opens an account.

use std::error::Error as _;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use skaas_domain::{
    id::{CodeId, UserId},
    secret::{Secret, SecretKind},
    user::User,
};
use skaas_outbound::mail::Message;
use skaas_store::{
    Tx,
    codes::{self, Code, CodeKind},
    users,
};

use super::{RESETTABLE, address};
use crate::{
    app::App,
    error::Result,
    jobs::{self, Attempt, Failure, Job, Order, Spec},
};

/// A mail that is to be sent.
#[derive(Serialize, Deserialize)]
#[serde(tag = "mail", rename_all = "snake_case")]
pub(crate) enum Mail {
    /// A link, to the address that it is for: to confirm the address, or to choose a password.
    Link {
        /// The link whose purpose and expiry it has.
        code: CodeId,
    },
    /// To an address that already has an account, when someone enters it for another one.
    AlreadyTaken {
        /// The account.
        owner: UserId,
    },
    /// After a change that the owner should know about.
    Changed {
        /// Whose account was changed.
        user: UserId,
        /// The address that the account had.
        to: String,
        /// What was changed.
        what: Changed,
    },
}

/// What of an account was changed.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Changed {
    /// The password.
    Password,
    /// The email address.
    Address,
    /// A passkey was added.
    PasskeyAdded,
    /// A passkey was removed.
    PasskeyRemoved,
    /// An authenticator app was set up.
    AuthenticatorAdded,
    /// The authenticator app was removed.
    AuthenticatorRemoved,
    /// New recovery codes replaced the previous ones.
    RecoveryCodes,
    /// A recovery code was used.
    RecoveryCodeUsed,
    /// The operator removed every second factor.
    SecondFactorsReset,
}

impl Changed {
    /// What happened to the account at `here`, in a sentence.
    fn sentence(self, here: &str) -> String {
        let (before, after) = match self {
            Self::Password => ("The password of your account at", "was changed just now."),
            Self::Address => ("The email address of your account at", "was changed just now."),
            Self::PasskeyAdded => ("A passkey was added to your account at", "just now."),
            Self::PasskeyRemoved => ("A passkey was removed from your account at", "just now."),
            Self::AuthenticatorAdded => ("An authenticator app was added to your account at", "just now."),
            Self::AuthenticatorRemoved => {
                ("The authenticator app was removed from your account at", "just now.")
            }
            Self::RecoveryCodes => (
                "New recovery codes were created for your account at",
                "just now. The previous ones no longer work.",
            ),
            Self::RecoveryCodeUsed => {
                ("Someone signed in to your account at", "with one of your recovery codes just now.")
            }
            Self::SecondFactorsReset => (
                "The operator of the server removed all passkeys, the authenticator app and all recovery codes of \
                 your account at",
                "just now. You sign in without a second factor until you set one up again.",
            ),
        };
        format!("{before} {here} {after}")
    }
}

impl Job for Mail {
    /// Attempts go on for about a day.
    const SPEC: Spec = Spec { priority: 10, max_attempts: 70, ..Spec::new("mail") };

    async fn run(self, app: App, attempt: Attempt) -> Result<(), Failure> {
        let Some(mailer) = &app.third_parties.mailer else {
            return Err(Failure::Again("this process has no way to send mail".to_owned()));
        };
        let Some(message) = self.write(&app).await? else {
            tracing::info!(event = "mail_not_needed", job_id = %attempt.job());
            return Ok(());
        };
        match mailer.send(&message, attempt.created_at, attempt.job().bits()).await {
            Ok(()) => {
                tracing::info!(event = "mail_sent", job_id = %attempt.job());
                Ok(())
            }
            Err(error) => {
                let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
                let why = format!("{error}{cause}");
                Err(if error.is_transient() { Failure::Again(why) } else { Failure::Final(why) })
            }
        }
    }
}

impl Mail {
    /// The mail as it is sent; `None` if it has become pointless.
    async fn write(self, app: &App) -> Result<Option<Message>> {
        match self {
            Self::Link { code } => link_mail(app, code).await,
            Self::AlreadyTaken { owner } => {
                let owner = find(app, owner).await?;
                Ok(owner.and_then(|owner| Some(already_taken(app, address(&owner)?, &owner.username))))
            }
            Self::Changed { user, to, what } => {
                let user = find(app, user).await?;
                Ok(user.map(|user| changed(app, &to, &user.username, what)))
            }
        }
    }
}

async fn find(app: &App, user: UserId) -> Result<Option<User>> {
    Ok(users::find_by_id(&mut app.store.read().await?, user).await?)
}

/// The mail with a new link like `code`, if that still works.
async fn link_mail(app: &App, code: CodeId) -> Result<Option<Message>> {
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let Some(code) = codes::find_by_id(&mut tx, code, now).await? else { return Ok(None) };
    let Some(user) = users::find_by_id(&mut tx, code.user).await? else { return Ok(None) };
    let (secret, id) = app.with_rng(|rng| (Secret::generate(SecretKind::Link, rng), CodeId::new(now, rng)));
    if !codes::add_twin(&mut tx, &code, id, &secret.hash(), now).await? {
        return Ok(None);
    }
    tx.commit().await?;
    let write = match code.kind {
        CodeKind::Verify => confirm,
        CodeKind::Reset => reset,
    };
    Ok(Some(write(app, &code.sent_to, &user.username, &secret)))
}

/// Adds a link to be mailed to `to`, and the mail. Earlier links of the same kind stop working.
pub(super) async fn send_link(
    app: &App,
    tx: &mut Tx,
    kind: CodeKind,
    user: &User,
    to: &str,
    works_for: SignedDuration,
) -> Result<()> {
    let code = add_link(app, tx, kind, user, to, works_for).await?;
    jobs::add(app, tx, &Mail::Link { code }, &Order::about(user.id)).await?;
    Ok(())
}

/// Adds a link that nobody has yet: its secret is made anew for each attempt to mail it.
pub(super) async fn add_link(
    app: &App,
    tx: &mut Tx,
    kind: CodeKind,
    user: &User,
    to: &str,
    works_for: SignedDuration,
) -> Result<CodeId> {
    let now = app.now();
    let (secret, id) = app.with_rng(|rng| (Secret::generate(SecretKind::Link, rng), CodeId::new(now, rng)));
    let code = Code {
        id,
        kind,
        user: user.id,
        sent_to: to.to_owned(),
        created_at: now,
        expires_at: now.saturating_add(works_for).unwrap_or(now),
        used_at: None,
    };
    codes::add(tx, &code, &secret.hash()).await?;
    Ok(id)
}

/// Adds a mail to the owner of an account that was changed, if they have an address.
pub(crate) async fn tell_changed(app: &App, tx: &mut Tx, user: &User, what: Changed) -> Result<()> {
    let Some(to) = address(user) else { return Ok(()) };
    let mail = Mail::Changed { user: user.id, to: to.to_owned(), what };
    jobs::add(app, tx, &mail, &Order::about(user.id)).await?;
    Ok(())
}

/// Someone asked to reset the password of the account with an address. Whether there is one is looked up here, so that
/// no answer's time tells.
#[derive(Serialize, Deserialize)]
pub(crate) struct ResetRequest {
    email: String,
}

impl ResetRequest {
    pub(super) fn new(email: &str) -> Self {
        Self { email: email.to_owned() }
    }
}

impl Job for ResetRequest {
    const SPEC: Spec = Spec { priority: 10, ..Spec::new("password_reset") };

    async fn run(self, app: App, attempt: Attempt) -> Result<(), Failure> {
        let mut tx = app.store.begin().await?;
        let user = users::find_by_email(&mut tx, &self.email).await?;
        if let Some((user, to)) = user.as_ref().and_then(|user| Some((user, address(user)?))) {
            send_link(&app, &mut tx, CodeKind::Reset, user, to, RESETTABLE).await?;
        }
        // A second link would end the first.
        attempt.finish(&mut tx).await?;
        Ok(tx.commit().await?)
    }
}

/// An email with at most one link.
struct Letter<'a> {
    to: &'a str,
    subject: String,
    lines: Vec<String>,
    link: Option<(&'static str, String)>,
    ending: &'static str,
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Letter<'_> {
    fn write(self) -> Message {
        let mut text = self.lines.join("\n\n");
        let paragraphs: Vec<String> =
            self.lines.iter().map(|line| format!("<p>{}</p>\n", escape(line))).collect();
        let mut html = paragraphs.concat();
        if let Some((label, url)) = &self.link {
            text = format!("{text}\n\n{label}:\n{url}");
            let url = escape(url);
            html = format!(
                "{html}<p><a href=\"{url}\">{label}</a></p>\n<p>Or copy this address into your browser: {url}</p>\n"
            );
        }
        text = format!("{text}\n\n{}\n", self.ending);
        html = format!(
            "<!doctype html>\n<html lang=\"en\"><body>\n{html}<p>{}</p>\n</body></html>\n",
            self.ending
        );
        Message { to: self.to.to_owned(), subject: self.subject, text, html }
    }
}

fn link(app: &App, path: &str, secret: &Secret) -> String {
    format!("{}{path}?code={}", app.voice().public_url, secret.reveal())
}

/// To an address that someone entered as theirs.
fn confirm(app: &App, to: &str, username: &str, secret: &Secret) -> Message {
    let here = &app.voice().public_url;
    Letter {
        to,
        subject: "Confirm your email address".into(),
        lines: vec![
            format!("Hi {username},"),
            format!("Please confirm that this is the email address of your account at {here}."),
        ],
        link: Some(("Confirm your email address", link(app, "/verify", secret))),
        ending: "The link expires in 24 hours. If you didn't request this, ignore this email: nothing changes.",
    }
    .write()
}

/// To an address that already has an account, when someone enters it for another one.
fn already_taken(app: &App, to: &str, owner: &str) -> Message {
    let here = &app.voice().public_url;
    Letter {
        to,
        subject: "You already have an account".into(),
        lines: vec![
            format!("Hi {owner},"),
            format!("Someone entered this email address for another account at {here}. It already belongs to your account {owner}, so nothing was changed."),
            format!("If it was you, sign in at {here}/signin, or reset your password at {here}/reset."),
        ],
        link: None,
        ending: "If it wasn't you, ignore this email.",
    }
    .write()
}

/// To someone who forgot their password.
fn reset(app: &App, to: &str, username: &str, secret: &Secret) -> Message {
    let here = &app.voice().public_url;
    Letter {
        to,
        subject: "Reset your password".into(),
        lines: vec![
            format!("Hi {username},"),
            format!("Someone asked to reset the password of your account at {here}."),
        ],
        link: Some(("Reset your password", link(app, "/reset/new", secret))),
        ending: "The link expires in one hour and works once. If you didn't request this, ignore this email: your password stays the same.",
    }
    .write()
}

/// After a change that the owner should know about.
fn changed(app: &App, to: &str, username: &str, what: Changed) -> Message {
    let here = &app.voice().public_url;
    Letter {
        to,
        subject: "Your account was changed".into(),
        lines: vec![
            format!("Hi {username},"),
            what.sentence(here),
        ],
        link: None,
        ending: "If you made this change, you can ignore this email. If not, reset your password immediately and \
                 check your passkeys, sessions, API tokens and authorized apps.",
    }
    .write()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_a_letter() {
        let letter = Letter {
            to: "ann@example.com",
            subject: "x".into(),
            lines: vec!["<script>&\"".into()],
            link: Some(("Go", "https://x/?a=1&b=\"".into())),
            ending: "Bye.",
        };
        let message = letter.write();
        assert!(message.html.contains("&lt;script&gt;&amp;&quot;"), "{}", message.html);
        assert!(message.html.contains("https://x/?a=1&amp;b=&quot;"), "{}", message.html);
        assert!(message.text.contains("<script>&\"") && message.text.ends_with("Bye.\n"));
    }
}
