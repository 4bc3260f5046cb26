//! Owns what is measured against what: one installation per catalogue, the rival's repositories of the same
//! commits, and the recorded conversations. Refuses cases in which two sides serve different content.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    content::{write_large_skill, write_monorepo},
    git::{Person, url},
    ours::{Installation, Server},
    record::{Conversation, record},
    rival::{Packing, Rival},
    seed::{Creator, Office, Push, spread},
};

/// How many skills the measured buyer owns before the measured purchase.
pub(crate) const OWNED: usize = 20;
/// As large as the largest collection seen in public.
const MONOREPO: usize = 560;
const MONOREPO_FILES: usize = 5;
const MONOREPO_SKILL_BYTES: usize = 72_000;

/// The extra skills that stand beside the smallest catalogue.
pub(crate) const SMALL_SKILL: (&str, usize) = ("small-toolbox", 200_000);
pub(crate) const LARGE_SKILL: (&str, usize) = ("large-toolbox", 10_000_000);

/// A catalogue of one size, being served, with a buyer.
pub(crate) struct Market {
    pub(crate) size: usize,
    pub(crate) installation: Installation,
    pub(crate) server: Server,
    pub(crate) buyer: Person,
    folder: PathBuf,
}

/// The same fetch at both servers.
pub(crate) struct Case {
    /// For files and URLs.
    pub(crate) slug: String,
    /// For people.
    pub(crate) title: String,
    /// What skaas and git said to each other.
    pub(crate) ours: Conversation,
    /// What the rival and git said to each other.
    pub(crate) theirs: Conversation,
}

impl Case {
    /// Whether what is answered is little enough to be counted instruction by instruction.
    pub(crate) fn wire_is_small(&self) -> bool {
        self.ours.answered() < 2_000_000
    }
}

/// A pull of one purchase at all servers.
pub(crate) struct Pull {
    pub(crate) size: usize,
    pub(crate) ours: Conversation,
    pub(crate) pushed: Conversation,
    pub(crate) repacked: Conversation,
    pub(crate) bitmaps: Conversation,
}

impl Market {
    /// Fills a catalogue of `size` skills by pushes; gives the pushes too. The smallest gets the two large
    /// skills beside it.
    pub(crate) async fn fill(
        binary: &Path,
        folder: &Path,
        size: usize,
        extra: bool,
        say: &dyn Fn(&str),
    ) -> Result<(Self, Vec<Push>)> {
        let began = Instant::now();
        let folder = folder.join(format!("market-{size}"));
        let installation = Installation::new(binary, &folder)?;
        let server = installation.serve()?;
        let person = Person::new(&folder.join("creator"), "ann", &installation.add_user("ann")?)?;
        let creator = Creator { person, server: &server, folder: folder.join("sources") };
        let mut pushes = Vec::new();
        let mut from = 0;
        while from < size {
            let to = size.min(from + MONOREPO);
            // One push is as large as real ones are; the others only fill the catalogue.
            let whole = size == 1_000 && from == 0;
            let (files, bytes) = if whole { (MONOREPO_FILES, MONOREPO_SKILL_BYTES) } else { (1, 1_500) };
            let write = |folder: &Path| write_monorepo(folder, from..to, files, bytes);
            pushes.push(creator.push(&format!("collection-{from}"), to - from, write)?);
            from = to;
        }
        if extra {
            for ((name, bytes), dense) in [(SMALL_SKILL, false), (LARGE_SKILL, true)] {
                creator.push(name, 1, |folder| write_large_skill(folder, name, bytes, dense, 99))?;
            }
        }
        let office = Office::open(&installation).await?;
        let listed = office.publish_all().await?;
        ensure!(listed == size + if extra { 2 } else { 0 }, "{listed} listings where {size} were pushed");
        let username = format!("buyer-{size}");
        let buyer = Person::new(&folder.join("buyer"), &username, &office.add_user(&username).await?)?;
        let (own, _) = spread(size, OWNED);
        let beside = if extra { &[SMALL_SKILL.0, LARGE_SKILL.0][..] } else { &[] };
        for skill in own.iter().map(String::as_str).chain(beside.iter().copied()) {
            office.sell(&username, skill).await?;
        }
        office.close().await;
        say(&format!("{size} skills pushed, priced and published in {:.0} s", began.elapsed().as_secs_f64()));
        // A fresh process, so that what is measured later carries nothing of how it was filled.
        drop(server);
        let server = installation.serve()?;
        Ok((Self { size, installation, server, buyer, folder }, pushes))
    }

    /// A folder of that name that is not there yet.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        Ok(folder)
    }
}

/// Records a clone of depth 1, and checks that it is sound and holds `tree` where that is known.
pub(crate) fn record_clone(
    server: SocketAddr,
    person: &Person,
    path: &str,
    to: &Path,
    tree: Option<&str>,
) -> Result<Conversation> {
    let conversation = record(server, |proxy| {
        let parent = to.parent().context("a clone has a parent")?;
        let to = to.to_string_lossy();
        person.git(parent, &["clone", "-q", "--depth", "1", &url(proxy, path), &to]).map(drop)
    })?;
    conversation.check()?;
    let cloned = tree_of(person, to)?;
    ensure!(tree.is_none_or(|tree| tree == cloned), "{path}: another tree was cloned than expected");
    person.git(to, &["fsck", "--strict", "--no-dangling"])?;
    Ok(conversation)
}

/// Records a fetch into a repository that has `checkout`'s `old` commit and its history.
fn record_pull(
    server: SocketAddr,
    person: &Person,
    path: &str,
    checkout: &Path,
    (old, new): (&str, &str),
    at: &Path,
) -> Result<Conversation> {
    fs::create_dir_all(at)?;
    person.git(at, &["init", "-q"])?;
    person.git(at, &["fetch", "-q", &checkout.to_string_lossy(), "main"])?;
    person.git(at, &["reset", "-q", "--hard", old])?;
    // The newer commit came along: it must not be there, nor be remembered.
    fs::remove_file(at.join(".git/FETCH_HEAD"))?;
    person.git(at, &["reflog", "expire", "--expire=now", "--all"])?;
    person.git(at, &["prune", "--expire=now"])?;
    person.git(at, &["repack", "-adq"])?;
    let conversation =
        record(server, |proxy| person.git(at, &["fetch", "-q", &url(proxy, path), "main"]).map(drop))?;
    conversation.check()?;
    let came = person.git(at, &["rev-parse", "FETCH_HEAD"])?;
    ensure!(came.trim() == new, "{path}: {came} came where {new} was expected");
    Ok(conversation)
}

fn tree_of(person: &Person, checkout: &Path) -> Result<String> {
    Ok(person.git(checkout, &["rev-parse", "HEAD^{tree}"])?.trim().to_owned())
}

const MARKETPLACE: &str = "me/marketplace.git";

/// Records what a buyer does with a marketplace: a pull of one purchase, then a fresh clone.
pub(crate) async fn record_market(market: &Market, rival: &Rival) -> Result<(Case, Pull)> {
    let (person, size) = (&market.buyer, market.size);
    rival.admit(person)?;
    let checkout = market.fresh("checkout")?;
    let from = url(market.server.address, MARKETPLACE);
    person.git(&market.folder, &["clone", "-q", &from, &checkout.to_string_lossy()])?;
    let old = person.git(&checkout, &["rev-parse", "HEAD"])?;
    let office = Office::open(&market.installation).await?;
    office.sell(&person.username, &spread(size, OWNED).1).await?;
    office.close().await;
    person.git(&checkout, &["pull", "-q", "--ff-only"])?;
    let new = person.git(&checkout, &["rev-parse", "HEAD"])?;
    let ids = (old.trim(), new.trim());
    ensure!(ids.0 != ids.1, "the purchase changed nothing");

    let theirs = |packing: &str| format!("{packing}/{size}/{MARKETPLACE}");
    for (name, packing) in [
        ("tip", Packing::Tip),
        ("pushed", Packing::Pushed(ids.0)),
        ("repacked", Packing::Repacked),
        ("bitmaps", Packing::Bitmaps),
    ] {
        rival.add(person, &checkout, &theirs(name), packing)?;
    }
    let pull =
        |server, path: &str, name| record_pull(server, person, path, &checkout, ids, &market.fresh(name)?);
    let pull = Pull {
        size,
        ours: pull(market.server.address, MARKETPLACE, "pull-ours")?,
        pushed: pull(rival.address, &theirs("pushed"), "pull-pushed")?,
        repacked: pull(rival.address, &theirs("repacked"), "pull-repacked")?,
        bitmaps: pull(rival.address, &theirs("bitmaps"), "pull-bitmaps")?,
    };
    let tree = tree_of(person, &checkout)?;
    let clone =
        |server, path: &str, name| record_clone(server, person, path, &market.fresh(name)?, Some(&tree));
    let case = Case {
        slug: format!("marketplace-{size}"),
        title: format!("marketplace of {size}"),
        ours: clone(market.server.address, MARKETPLACE, "clone-ours")?,
        theirs: clone(rival.address, &theirs("tip"), "clone-theirs")?,
    };
    Ok((case, pull))
}

/// Records fresh clones of a skill that the buyer owns.
pub(crate) fn record_skill(market: &Market, rival: &Rival, name: &str, title: &str) -> Result<Case> {
    let person = &market.buyer;
    let path = format!("me/skills/{name}.git");
    let checkout = market.fresh(name)?;
    let from = url(market.server.address, &path);
    person.git(&market.folder, &["clone", "-q", &from, &checkout.to_string_lossy()])?;
    let theirs = format!("tip/{path}");
    rival.add(person, &checkout, &theirs, Packing::Tip)?;
    let tree = tree_of(person, &checkout)?;
    let clone = |server, path: &str, side: &str| {
        record_clone(server, person, path, &market.fresh(&format!("{name}-{side}"))?, Some(&tree))
    };
    Ok(Case {
        slug: name.to_owned(),
        title: title.to_owned(),
        ours: clone(market.server.address, &path, "ours")?,
        theirs: clone(rival.address, &theirs, "theirs")?,
    })
}
