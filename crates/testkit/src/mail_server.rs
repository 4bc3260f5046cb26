//! A mail server on loopback that misbehaves when it is told to.
//!
//! Owns: the dialogue (RFC 5321), and what was handed over. Refuses: TLS and passwords; real mail servers are tested
//! elsewhere.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

/// How the server treats mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Takes it.
    Takes,
    /// Says nothing once it knows the recipient.
    Stalls,
    /// Refuses the recipient with this code.
    Refuses(u16),
    /// Takes it, and hangs up before it says so.
    TakesAndHangsUp,
    /// Each of the others in turn, taking every second mail.
    Moody,
}

/// A mail that was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The recipient's address.
    pub to: String,
    /// Its Message-ID: mails with the same one are the same mail to whoever reads them.
    pub id: String,
    /// Head and body, with soft line breaks taken out.
    pub text: String,
}

#[derive(Default)]
struct Kept {
    manner: Option<Manner>,
    turns: usize,
    received: Vec<Received>,
}

/// A running mail server.
#[derive(Clone)]
pub struct MailServer {
    port: u16,
    kept: Arc<Mutex<Kept>>,
}

impl MailServer {
    /// Starts one on a free port that takes what it gets. It runs until the process ends.
    ///
    /// # Panics
    /// If loopback has no free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let server = Self { port, kept: Arc::default() };
        let accepting = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = accepting.clone();
                // A client that was killed ends the dialogue at any point.
                std::thread::spawn(move || drop(server.talk(&stream)));
            }
        });
        server
    }

    /// Its address, as `SKAAS_SMTP_URL` wants it.
    pub fn url(&self) -> String {
        format!("smtp+plain://127.0.0.1:{}", self.port)
    }

    /// Changes how it treats what comes next.
    pub fn treats(&self, manner: Manner) {
        self.kept().manner = Some(manner);
    }

    /// Everything that was handed over, the oldest first.
    pub fn received(&self) -> Vec<Received> {
        self.kept().received.clone()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("nobody panics while keeping mail")
    }

    fn manner(&self) -> Manner {
        let mut kept = self.kept();
        let manner = kept.manner.unwrap_or(Manner::Takes);
        if manner != Manner::Moody {
            return manner;
        }
        kept.turns += 1;
        match kept.turns % 8 {
            1 => Manner::Stalls,
            3 => Manner::Refuses(451),
            5 => Manner::TakesAndHangsUp,
            _ => Manner::Takes,
        }
    }

    fn talk(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream);
        let say = |text: &str| (&*stream).write_all(format!("{text}\r\n").as_bytes());
        say("220 mail.test ESMTP")?;
        let (mut to, mut manner) = (String::new(), Manner::Takes);
        let mut line = String::new();
        while lines.read_line(&mut line)? > 0 {
            let command = line.trim_end().to_owned();
            line.clear();
            match command.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
                "RCPT" => {
                    command.split(['<', '>']).nth(1).unwrap_or_default().clone_into(&mut to);
                    manner = self.manner();
                    match manner {
                        Manner::Stalls => {}
                        Manner::Refuses(code) => say(&format!("{code} not now, {to}"))?,
                        _ => say("250 fine")?,
                    }
                }
                "DATA" => {
                    say("354 go on")?;
                    let mut text = String::new();
                    while lines.read_line(&mut text)? > 0 && !text.ends_with("\r\n.\r\n") {}
                    if !text.ends_with("\r\n.\r\n") {
                        return Ok(());
                    }
                    self.keep(std::mem::take(&mut to), &text);
                    if manner == Manner::TakesAndHangsUp {
                        return Ok(());
                    }
                    say("250 kept")?;
                }
                "QUIT" => return say("221 bye"),
                _ => say("250 mail.test")?,
            }
        }
        Ok(())
    }

    fn keep(&self, to: String, text: &str) {
        let id =
            text.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap_or_default().to_owned();
        let text = text.replace("=\r\n", "").replace("=3D", "=");
        self.kept().received.push(Received { to, id, text });
    }
}
