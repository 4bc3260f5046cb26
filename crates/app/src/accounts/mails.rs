//! The emails that people get. They contain no text of a stranger's beyond a username, so that nobody can use
//! our mail to send a message.

use skaas_domain::secret::Secret;
use skaas_outbound::mail::Message;

use crate::app::App;

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
pub(super) fn confirm(app: &App, to: &str, username: &str, secret: &Secret) -> Message {
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
pub(super) fn already_taken(app: &App, to: &str, owner: &str) -> Message {
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
pub(super) fn reset(app: &App, to: &str, username: &str, secret: &Secret) -> Message {
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
pub(super) fn changed(app: &App, to: &str, username: &str, what: &str) -> Message {
    let here = &app.voice().public_url;
    Letter {
        to,
        subject: "Your account was changed".into(),
        lines: vec![
            format!("Hi {username},"),
            format!("{what} of your account at {here} was changed just now."),
        ],
        link: None,
        ending: "If you made this change, you can ignore this email. If not, reset your password immediately and \
                 check your sessions, API tokens and authorized apps.",
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
