//! Owns the texts that are mailed to people. Refuses foreign text beyond a username: nobody uses our mail to
//! say something to a stranger.

use skaas_domain::secret::Secret;
use skaas_outbound::mail::Message;

use crate::app::App;

/// A mail of one thought, and perhaps one link.
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
            html =
                format!("{html}<p><a href=\"{url}\">{label}</a></p>\n<p>Or open this address: {url}</p>\n");
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

/// To an address that somebody gave as theirs.
pub(super) fn confirm(app: &App, to: &str, username: &str, secret: &Secret) -> Message {
    let here = &app.voice().public_url;
    Letter {
        to,
        subject: "Confirm your e-mail address".into(),
        lines: vec![format!(
            "Somebody, you we hope, gave this address for the account {username} at {here}."
        )],
        link: Some(("Confirm the address", link(app, "/verify", secret))),
        ending: "The link works for one day. If it was not you, do nothing: without it nothing happens.",
    }
    .write()
}

/// To an address that is an account's already, when somebody gives it for another account.
pub(super) fn already_taken(app: &App, to: &str, owner: &str) -> Message {
    let here = &app.voice().public_url;
    Letter {
        to,
        subject: "You have an account already".into(),
        lines: vec![
            format!("Somebody, perhaps you, gave this address for another account at {here}."),
            format!("It is the address of the account {owner}, and stays so: one address, one account."),
            format!("Sign in at {here}/signin, or choose a new password at {here}/reset."),
        ],
        link: None,
        ending: "If it was not you, do nothing: nothing was changed.",
    }
    .write()
}

/// To who forgot a password.
pub(super) fn reset(app: &App, to: &str, username: &str, secret: &Secret) -> Message {
    let here = &app.voice().public_url;
    Letter {
        to,
        subject: "Choose a new password".into(),
        lines: vec![format!("Somebody, you we hope, wants a new password for the account {username} at {here}.")],
        link: Some(("Choose a new password", link(app, "/reset/new", secret))),
        ending: "The link works for one hour, once. If it was not you, do nothing: your password stays as it is.",
    }
    .write()
}

/// Something was changed that the owner would want to know of.
pub(super) fn changed(app: &App, to: &str, username: &str, what: &str) -> Message {
    let here = &app.voice().public_url;
    Letter {
        to,
        subject: "Your account was changed".into(),
        lines: vec![format!("{what} of the account {username} at {here} was changed just now.")],
        link: None,
        ending: "If it was you, all is well. If not, choose a new password at once, and look through your \
                 sessions and tokens.",
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
