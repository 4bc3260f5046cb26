//! `admin listing price`: sets, archives and lists the prices of a skill.

use skaas_app::{
    Actor, App,
    listings::{self, Change, PriceChange},
};
use skaas_domain::{
    id::PriceId,
    money::{self, Price},
};

use super::{refused, show};
use crate::{
    arguments::{Interval, ListingPrice},
    output,
};

pub(super) async fn run(app: &App, actor: &Actor, command: ListingPrice) -> anyhow::Result<()> {
    match command {
        ListingPrice::Set { skill, amount, currency, interval, json } => {
            let price = read(amount, &currency, interval)?;
            change(app, actor, &skill, PriceChange::Set(price), json).await
        }
        ListingPrice::Archive { skill, price, json } => {
            let price: PriceId = price.parse().map_err(refused)?;
            change(app, actor, &skill, PriceChange::Archive(price), json).await
        }
        ListingPrice::List { skill, json } => list(app, actor, &skill, json).await,
    }
}

/// A price as the options of the command line give it.
pub(super) fn read(minor: i64, currency: &str, interval: Interval) -> anyhow::Result<Price> {
    let interval = match interval {
        Interval::Once => money::Interval::Once,
        Interval::Month => money::Interval::Month,
        Interval::Year => money::Interval::Year,
    };
    Price::new(minor, currency, interval).map_err(refused)
}

async fn change(
    app: &App,
    actor: &Actor,
    skill: &str,
    price: PriceChange,
    as_json: bool,
) -> anyhow::Result<()> {
    let change = Change { price: Some(price), ..Change::default() };
    let details = listings::set(app, actor, skill, &change).await?;
    if as_json {
        return output::json(&show::listing(app, &details));
    }
    output::line(&show::listing_text(app, &details));
    if details.listing.prices.is_empty() {
        output::note("It has no price left, so it can only be granted.");
    }
    Ok(())
}

async fn list(app: &App, actor: &Actor, skill: &str, as_json: bool) -> anyhow::Result<()> {
    let all = listings::price_history(app, actor, skill).await?;
    if as_json {
        return output::json(&all.iter().map(show::price_record).collect::<Vec<_>>());
    }
    let rows: Vec<Vec<String>> = all.iter().map(show::price_row).collect();
    let empty = format!("{skill} has never had a price: `admin listing price set {skill} --amount 900`");
    output::table(&["ID", "PRICE", "STATE", "SET", "ARCHIVED"], &rows, &empty);
    Ok(())
}
