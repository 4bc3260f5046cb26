//! Owns the memory of a serving node under readers that hardly read. Refuses to count on luck: more content
//! is asked for than the node may hold.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use socket2::{Domain, Socket, Type};

use crate::{
    content::write_large_skill,
    git::{Person, url},
    meter::resident,
    ours::{Installation, Server},
    record::Conversation,
    seed::{Creator, Office},
    stage::{LARGE_SKILL, record_clone},
    table::{Standing, Table, size},
};

/// Readers at once: as many as packs may be in flight by default.
const READERS: usize = 256;
/// The node's budget for content, as small as a skill of 10 MB asked for by many allows to see it at work.
const BUDGET_MIB: u64 = 128;
/// Different skills of 10 MB: about twice the budget.
const SKILLS: usize = 26;
/// What each connection may cost in the process besides content: stacks of futures, hyper's buffers.
const PER_READER: u64 = 256 << 10;
/// The program itself, its database caches and the allocator's slack.
const PROGRAM: u64 = 96 << 20;

/// What a node held.
pub(crate) struct MemoryResult {
    idle: u64,
    one_skill: Slow,
    many_skills: Slow,
}

/// A crowd of slow readers.
struct Slow {
    answered: usize,
    refused: usize,
    /// Answered by anything else: a fault.
    failed: usize,
    resident: u64,
    peak: u64,
}

/// Measures a node of its own.
pub(crate) async fn memory(binary: &Path, folder: &Path, holding: Duration) -> Result<MemoryResult> {
    let folder = folder.join("memory");
    let installation =
        Installation::new(binary, &folder)?.with("SKAAS_CONTENT_MEMORY_MIB", &BUDGET_MIB.to_string());
    let (person, names) = Box::pin(fill(&installation, &folder)).await?;
    let fetches = {
        let server = installation.serve()?;
        names.iter().map(|name| fetch_of(&server, &person, &folder, name)).collect::<Result<Vec<_>>>()?
    };
    let server = installation.serve()?;
    // One request, so that the catalogue is there.
    person.git(Path::new("/"), &["ls-remote", "-q", &url(server.address, "me/marketplace.git")])?;
    let idle = resident(server.pid())?.0;
    let one_skill = slow_readers(&server, &fetches[..1], holding)?;
    drop(server);
    let server = installation.serve()?;
    let many_skills = slow_readers(&server, &fetches, holding)?;
    Ok(MemoryResult { idle, one_skill, many_skills })
}

async fn fill(installation: &Installation, folder: &Path) -> Result<(Person, Vec<String>)> {
    let server = installation.serve()?;
    let person = Person::new(&folder.join("creator"), "ann", &installation.add_user("ann")?)?;
    let creator = Creator { person, server: &server, folder: folder.join("sources") };
    let names: Vec<String> = (0..SKILLS).map(|n| format!("heavy-{n}")).collect();
    for (n, name) in names.iter().enumerate() {
        creator.push(name, 1, |folder| write_large_skill(folder, name, LARGE_SKILL.1, true, n as u64 + 1))?;
    }
    let office = Office::open(installation).await?;
    office.publish_all().await?;
    let person = Person::new(&folder.join("reader"), "reader", &office.add_user("reader").await?)?;
    for name in &names {
        office.sell("reader", name).await?;
    }
    office.close().await;
    Ok((person, names))
}

/// The POST that fetches a skill.
fn fetch_of(server: &Server, person: &Person, folder: &Path, name: &str) -> Result<Vec<u8>> {
    let path = format!("me/skills/{name}.git");
    let to = folder.join(format!("clone-{name}"));
    let conversation: Conversation = record_clone(server.address, person, &path, &to, None)?;
    std::fs::remove_dir_all(&to)?;
    Ok(conversation.0.last().context("a clone ends in a fetch")?.request.clone())
}

fn slow_readers(server: &Server, fetches: &[Vec<u8>], holding: Duration) -> Result<Slow> {
    // All at once would only measure how long they wait for each other: they come within some seconds.
    let readers = thread::scope(|scope| -> Result<Vec<(TcpStream, u16)>> {
        let all: Vec<_> = (0..READERS)
            .map(|n| scope.spawn(move || begin(server.address, &fetches[n % fetches.len()])))
            .collect();
        all.into_iter().map(|one| one.join().expect("a reader does not panic")).collect()
    })?;
    let answered = readers.iter().filter(|(_, status)| *status == 200).count();
    let refused = readers.iter().filter(|(_, status)| *status == 503).count();
    let failed = READERS - answered - refused;
    ensure!(answered > 0, "nobody was answered");
    readers.iter().try_for_each(|(stream, _)| stream.set_nonblocking(true))?;
    let began = Instant::now();
    let mut most = 0;
    let mut buffer = [0_u8; 1024];
    while began.elapsed() < holding {
        for (stream, status) in &readers {
            if *status == 200 {
                match (&*stream).read(&mut buffer) {
                    Ok(read) => ensure!(read > 0, "a reader was cut off"),
                    Err(error) => {
                        ensure!(error.kind() == ErrorKind::WouldBlock, "a reader was cut off: {error}");
                    }
                }
            }
        }
        most = most.max(resident(server.pid())?.0);
        thread::sleep(Duration::from_millis(250));
    }
    Ok(Slow { answered, refused, failed, resident: most, peak: resident(server.pid())?.1 })
}

/// Asks, and reads the status line, through a window of a few KB.
fn begin(server: SocketAddr, fetch: &[u8]) -> Result<(TcpStream, u16)> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_recv_buffer_size(4096)?;
    socket.connect(&server.into())?;
    let mut stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    stream.write_all(fetch)?;
    let mut status = [0_u8; 12];
    stream.read_exact(&mut status)?;
    let status = std::str::from_utf8(&status)?.rsplit(' ').next().context("a status")?.parse()?;
    Ok((stream, status))
}

impl MemoryResult {
    pub(crate) fn table(&self) -> Table {
        let bound = (BUDGET_MIB << 20) + READERS as u64 * PER_READER + PROGRAM;
        let mut table = Table::new(&[
            "memory of a node",
            "answered",
            "told to wait",
            "failed",
            "resident",
            "peak",
            "bound",
        ]);
        table.row(vec![
            "idle".into(),
            String::new(),
            String::new(),
            String::new(),
            size(self.idle),
            String::new(),
            String::new(),
        ]);
        let rows = [("one skill of 10 MB", &self.one_skill), ("26 skills of 10 MB", &self.many_skills)];
        for (what, slow) in rows {
            #[expect(clippy::cast_precision_loss, reason = "compared, not counted")]
            let standing = Standing::at_most(slow.peak as f64, bound as f64, 1.0);
            table.row(vec![
                format!("{READERS} slow readers of {what}"),
                slow.answered.to_string(),
                slow.refused.to_string(),
                slow.failed.to_string(),
                size(slow.resident),
                size(slow.peak),
                format!("{}: {}", size(bound), standing.word()),
            ]);
        }
        table
    }

    /// What the bound is made of.
    pub(crate) fn bound() -> String {
        format!(
            "bound = content_memory_mib ({BUDGET_MIB} MiB here) + {} KiB for each of concurrent_packs ({READERS}) \
             + {} MiB for the program",
            PER_READER >> 10,
            PROGRAM >> 20
        )
    }
}
