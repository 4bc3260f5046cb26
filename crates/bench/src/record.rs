//! Owns what real git says to a server: a proxy that writes down every exchange of one run, byte for byte.
//! Refuses to change anything on its way.

use std::{
    io::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use anyhow::{Context as _, Result, ensure};

use crate::http1::Messages;

/// One request with its answer.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    /// Head and body, as git sent them.
    pub(crate) request: Vec<u8>,
    /// Method, target and length of the body, for people.
    pub(crate) asked: String,
    pub(crate) status: u16,
    /// Its content type, where it has one.
    pub(crate) content_type: Option<String>,
    /// The body's content, without chunk lines.
    pub(crate) content: Vec<u8>,
}

/// What was said during one run.
#[derive(Debug, Clone)]
pub(crate) struct Conversation(pub(crate) Vec<Exchange>);

impl Conversation {
    /// Bytes of all answers' bodies.
    pub(crate) fn answered(&self) -> u64 {
        self.0.iter().map(|exchange| exchange.content.len() as u64).sum()
    }

    /// Bytes of the pack, as the last answer carried it: without side-band and packet heads.
    pub(crate) fn pack(&self) -> Result<Vec<u8>> {
        let last = &self.0.last().context("nothing was said")?.content;
        let mut pack = Vec::new();
        let mut rest = &last[..];
        while let Some((head, after)) = rest.split_first_chunk::<4>() {
            let length = usize::from_str_radix(std::str::from_utf8(head)?, 16)?;
            if length <= 4 {
                rest = after;
                continue;
            }
            let (payload, behind) = after.split_at_checked(length - 4).context("a packet is cut short")?;
            if payload.first() == Some(&1) {
                pack.extend_from_slice(&payload[1..]);
            }
            rest = behind;
        }
        ensure!(pack.starts_with(b"PACK"), "the last answer carries no pack");
        Ok(pack)
    }

    /// What a fetch with a credential helper is known to do, so that no other traffic is measured by mistake.
    pub(crate) fn check(&self) -> Result<()> {
        let seen: Vec<(u16, &str)> =
            self.0.iter().map(|e| (e.status, e.asked.split(' ').next().unwrap_or_default())).collect();
        let expected = [(401, "GET"), (200, "GET"), (200, "POST"), (200, "POST")];
        let asked: Vec<&str> = self.0.iter().map(|e| e.asked.as_str()).collect();
        ensure!(seen == expected, "git said something else than expected: {asked:?}");
        Ok(())
    }
}

/// Runs `git` with the address of a proxy before `server`, and gives what passed through it.
pub(crate) fn record(server: SocketAddr, git: impl FnOnce(SocketAddr) -> Result<()>) -> Result<Conversation> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let said: Arc<Mutex<Vec<Exchange>>> = Arc::default();
    let ended = Arc::new(Mutex::new(false));
    let proxy = thread::spawn({
        let (said, ended) = (Arc::clone(&said), Arc::clone(&ended));
        move || -> Result<()> {
            let mut connections = Vec::new();
            for client in listener.incoming() {
                if *ended.lock().expect("no one panics with it") {
                    break;
                }
                let (client, said) = (client?, Arc::clone(&said));
                connections.push(thread::spawn(move || pass(&client, server, &said)));
            }
            connections
                .into_iter()
                .try_for_each(|one| one.join().expect("a connection's thread does not panic"))
        }
    });
    let outcome = git(address);
    *ended.lock().expect("no one panics with it") = true;
    // Wakes the proxy up, so that it sees the end.
    drop(TcpStream::connect(address)?);
    let passed = proxy.join().expect("the proxy does not panic");
    outcome?;
    passed?;
    let said = said.lock().expect("no one panics with it").drain(..).collect();
    Ok(Conversation(said))
}

fn pass(client: &TcpStream, server: SocketAddr, said: &Mutex<Vec<Exchange>>) -> Result<()> {
    let server = TcpStream::connect(server)?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let (mut requests, mut answers) = (Messages::new(client), Messages::new(&server));
    while let Some(head) = requests.head()? {
        let mut request = head.bytes.clone();
        let length =
            requests.body(head.framing, &mut |_| {}, &mut |piece| request.extend_from_slice(piece))?;
        (&server).write_all(&request)?;
        let answer = answers.head()?.context("the server ended without an answer")?;
        let (mut content, mut wire) = (Vec::new(), answer.bytes.clone());
        let mut keep = |piece: &[u8]| content.extend_from_slice(piece);
        answers.body(answer.framing, &mut keep, &mut |piece| wire.extend_from_slice(piece))?;
        let mut to_client: &TcpStream = client;
        to_client.write_all(&wire)?;
        let (method, target) = head.method_and_target();
        let asked = format!("{method} {target} ({length} bytes)");
        let content_type = answer.field("content-type").map(str::to_owned);
        let exchange = Exchange { request, asked, status: answer.status()?, content_type, content };
        said.lock().expect("no one panics with it").push(exchange);
    }
    Ok(())
}
