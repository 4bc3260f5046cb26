//! Owns what a user costs: bytes kept for each, and the first look at a marketplace. Refuses to guess from
//! one catalogue size.

use std::{
    fs,
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;
use skaas_git::object::{Kind, hash_object};

use crate::{
    git::{Person, url},
    replay::median,
    seed::{Office, spread},
    stage::{Market, OWNED},
    table::{Standing, Table, size, time, times},
};

/// Rows and bytes that one buyer accounts for, after a first look and one purchase more.
pub(crate) async fn bytes_per_user(markets: &[Market]) -> Result<Table> {
    let mut table =
        Table::new(&["catalogue", "grants", "bytes", "steps", "bytes", "tokens, bytes", "together"]);
    for market in markets {
        let office = Office::open(&market.installation).await?;
        let bytes = office.bytes_of(&market.buyer.username).await?;
        office.close().await;
        let together = bytes.grants.1 + bytes.steps.1 + bytes.tokens;
        table.row(vec![
            format!("{} skills", market.size),
            bytes.grants.0.to_string(),
            bytes.grants.1.to_string(),
            bytes.steps.0.to_string(),
            bytes.steps.1.to_string(),
            bytes.tokens.to_string(),
            size(u64::try_from(together)?),
        ]);
    }
    Ok(table)
}

/// What a first look came to; times in microseconds.
pub(crate) struct FirstLook {
    size: usize,
    json: usize,
    /// One SHA-1 of the marketplace file.
    hash: f64,
    /// `git ls-remote` at the server: the first ever, and the next.
    look: [f64; 2],
    /// `git clone --depth 1` at the server: the first ever, and the next.
    clone: [f64; 2],
}

/// Lets `users` new users, each with as many purchases as the buyer had, look at their marketplace and clone
/// it, each twice, by real git.
pub(crate) async fn first_look(market: &Market, users: usize) -> Result<FirstLook> {
    let people = newcomers(market, users).await?;
    let from = url(market.server.address, "me/marketplace.git");
    let cost = |person: &Person, arguments: &[&str]| -> Result<f64> {
        let before = market.server.meter.cpu()?;
        person.git(Path::new("/"), arguments)?;
        Ok(market.server.meter.cpu()?.saturating_sub(before).as_secs_f64() * 1e6)
    };
    let (mut look, mut clone) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    let mut json = Vec::new();
    for (n, person) in people.iter().enumerate() {
        for costs in &mut look {
            let looked = cost(person, &["ls-remote", "-q", &from, "HEAD"])?;
            // The first of all also makes the server notice what the shop did meanwhile.
            if n > 0 {
                costs.push(looked);
            }
        }
        for costs in &mut clone {
            let to = market.fresh("look")?;
            let cloned = cost(person, &["clone", "-q", "--depth", "1", &from, &to.to_string_lossy()])?;
            if n > 0 {
                costs.push(cloned);
            }
            json = fs::read(to.join(".claude-plugin/marketplace.json"))?;
        }
    }
    Ok(FirstLook {
        size: market.size,
        json: json.len(),
        hash: hash_time(&json),
        look: look.map(|costs| median(&costs)),
        clone: clone.map(|costs| median(&costs)),
    })
}

async fn newcomers(market: &Market, count: usize) -> Result<Vec<Person>> {
    let office = Office::open(&market.installation).await?;
    let (own, _) = spread(market.size, OWNED);
    let mut people = Vec::with_capacity(count + 1);
    for n in 0..=count {
        let username = format!("newcomer-{n}");
        let token = office.add_user(&username).await?;
        for skill in &own {
            office.sell(&username, skill).await?;
        }
        people.push(Person::new(&market.fresh(&username)?, &username, &token)?);
    }
    office.close().await;
    Ok(people)
}

/// The time of one SHA-1 of `json` as a git blob, in microseconds: the shortest of many runs, since it is
/// wall time, which neighbours can only lengthen.
fn hash_time(json: &[u8]) -> f64 {
    let began = Instant::now();
    let mut runs = Vec::new();
    while runs.len() < 20 || (began.elapsed() < Duration::from_millis(500) && runs.len() < 500) {
        let start = Instant::now();
        black_box(hash_object(Kind::Blob, black_box(json)));
        runs.push(start.elapsed().as_secs_f64() * 1e6);
    }
    runs.into_iter().fold(f64::INFINITY, f64::min)
}

impl FirstLook {
    pub(crate) fn table(all: &[Self]) -> Table {
        let mut table = Table::new(&[
            "first look at",
            "its JSON",
            "one SHA-1 of it",
            "ls-remote, first",
            "again",
            "clone, first",
            "again",
            "first look / SHA-1",
            "target",
        ]);
        for one in all {
            let ratio = (one.look[0] - one.look[1]) / one.hash;
            table.row(vec![
                format!("marketplace of {}", one.size),
                size(one.json as u64),
                time(one.hash),
                time(one.look[0]),
                time(one.look[1]),
                time(one.clone[0]),
                time(one.clone[1]),
                times(ratio),
                if one.size >= 10_000 {
                    format!("<= 2x: {}", Standing::at_most(ratio, 2.0, 2.0).word())
                } else {
                    String::new()
                },
            ]);
        }
        table
    }
}
