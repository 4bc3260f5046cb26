//! Owns how users, tokens, listings and grants look on the command line: as JSON, as rows, as a page.

use jiff::Timestamp;
use serde_json::{Value, json};
use skaas_app::{
    App, accounts,
    grants::Named,
    listings::{Details, PriceRecord},
};
use skaas_domain::{
    money::Price,
    prices::{ListedPrice, Prices},
    user::{TokenRecord, User},
};

/// A moment to the second, UTC.
pub(super) fn moment(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

pub(super) fn maybe(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".into(), moment)
}

pub(super) fn user(user: &User) -> Value {
    json!({
        "id": user.id,
        "username": user.username,
        "email": accounts::address(user),
        "created_at": user.created_at,
        "suspended_at": user.suspended_at,
    })
}

fn token_state(token: &TokenRecord, now: Timestamp) -> &'static str {
    match (token.revoked_at, token.works(now)) {
        (Some(_), _) => "revoked",
        (None, true) => "active",
        (None, false) => "expired",
    }
}

pub(super) fn token(token: &TokenRecord, now: Timestamp) -> Value {
    json!({
        "id": token.id,
        "prefix": format!("sk_live_{}", token.id_part),
        "name": token.name,
        "scopes": token.scopes,
        "state": token_state(token, now),
        "created_at": token.created_at,
        "last_used_at": token.last_used_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
        "parent": token.parent,
    })
}

pub(super) fn token_row(token: &TokenRecord, now: Timestamp) -> Vec<String> {
    vec![
        token.id_part.clone(),
        token.name.clone(),
        token.scopes.to_string(),
        token_state(token, now).into(),
        moment(token.created_at),
        maybe(token.last_used_at),
        maybe(token.expires_at),
    ]
}

/// The first price, for scripts that know one.
fn first_price(prices: &Prices) -> Value {
    match prices.first() {
        None => Value::Null,
        Some(Price::Free) => json!({ "amount": 0 }),
        Some(Price::Paid { amount, interval }) => json!({
            "amount": amount.minor,
            "currency": amount.currency.code(),
            "interval": interval.as_str(),
        }),
    }
}

fn price(listed: &ListedPrice) -> skaas_api::Price {
    let (amount, currency, interval) = match listed.price {
        Price::Free => (0, None, None),
        Price::Paid { amount, interval } => {
            (amount.minor, Some(amount.currency.code()), Some(interval.as_str()))
        }
    };
    skaas_api::Price {
        id: listed.id.to_string(),
        amount,
        currency: currency.map(str::to_owned),
        interval: interval.map(str::to_owned),
        text: listed.price.to_string(),
        created_at: None,
        archived_at: None,
    }
}

pub(super) fn price_record(record: &PriceRecord) -> skaas_api::Price {
    skaas_api::Price {
        created_at: Some(record.created_at),
        archived_at: record.archived_at,
        ..price(&record.listed)
    }
}

pub(super) fn price_row(record: &PriceRecord) -> Vec<String> {
    vec![
        record.listed.id.to_string(),
        record.listed.price.to_string(),
        if record.archived_at.is_none() { "active".into() } else { "archived".into() },
        moment(record.created_at),
        maybe(record.archived_at),
    ]
}

pub(super) fn listing(app: &App, details: &Details) -> Value {
    let listing = &details.listing;
    let releases: Vec<Value> = details
        .releases
        .iter()
        .map(|release| {
            json!({
                "id": release.id,
                "version": release.version,
                "published_at": release.published_at,
                "files": release.files,
                "bytes": release.bytes,
            })
        })
        .collect();
    json!({
        "id": listing.skill,
        "name": listing.name,
        "creator": listing.creator_name,
        "state": listing.state.as_str(),
        "offered": listing.is_offered(),
        "quarantine": listing.quarantine.as_ref().map(|quarantine| json!({
            "at": quarantine.at,
            "reason": quarantine.reason,
            "state_before": quarantine.before.as_str(),
        })),
        "description": listing.description,
        "category": listing.category,
        "tags": listing.tags,
        "price": first_price(&listing.prices),
        "prices": listing.prices.iter().map(price).collect::<Vec<_>>(),
        "trial_days": listing.trial_days,
        "version": details.releases.last().map(|release| &release.version),
        "releases": releases,
        "problems": listing.problems,
        "repository": app.voice().source_url(&listing.name),
        "created_at": listing.created_at,
        "published_at": listing.published_at,
        "updated_at": listing.updated_at,
    })
}

fn price_text(prices: &Prices) -> String {
    prices.text().unwrap_or_else(|| "not for sale".into())
}

pub(super) fn listing_row(details: &Details) -> Vec<String> {
    let listing = &details.listing;
    vec![
        listing.name.clone(),
        listing.state.as_str().into(),
        details.releases.last().map_or_else(|| "-".into(), |release| release.version.clone()),
        price_text(&listing.prices),
        listing.creator_name.clone(),
    ]
}

pub(super) fn listing_text(app: &App, details: &Details) -> String {
    let listing = &details.listing;
    let mut lines = vec![
        format!("{} by {}: {}", listing.name, listing.creator_name, listing.state.as_str()),
        format!("  {}", listing.description),
        format!("  price       {}", price_text(&listing.prices)),
        format!(
            "  trial       {}",
            if listing.trial_days == 0 { "none".into() } else { format!("{} days", listing.trial_days) }
        ),
        format!("  category    {}", listing.category.as_deref().unwrap_or("-")),
        format!(
            "  tags        {}",
            if listing.tags.is_empty() { "-".into() } else { listing.tags.join(", ") }
        ),
        format!("  repository  {}", app.voice().source_url(&listing.name)),
    ];
    match details.releases.last() {
        None => lines.push("  releases    none yet".into()),
        Some(latest) => lines.push(format!(
            "  releases    {} ({} in all), {} files",
            latest.version,
            details.releases.len(),
            latest.files
        )),
    }
    lines.extend(listing.problems.iter().map(|problem| format!("  problem     {problem}")));
    lines.join("\n")
}

fn grant_state(named: &Named, now: Timestamp) -> &'static str {
    let grant = &named.record.grant;
    match (grant.revoked_at, grant.is_active(now), grant.has_begun(now)) {
        (Some(_), ..) => "revoked",
        (_, true, _) => "active",
        (_, _, false) => "to come",
        _ => "ended",
    }
}

pub(super) fn grant(named: &Named, now: Timestamp) -> Value {
    let grant = &named.record.grant;
    json!({
        "id": grant.id,
        "skill": named.skill,
        "kind": grant.kind.as_str(),
        "state": grant_state(named, now),
        "starts_at": grant.starts_at,
        "until": grant.until,
        "updates_until": grant.updates_until,
        "revoked_at": grant.revoked_at,
        "note": named.record.note,
    })
}

pub(super) fn grant_row(named: &Named, now: Timestamp) -> Vec<String> {
    let grant = &named.record.grant;
    vec![
        named.skill.clone(),
        grant.kind.as_str().into(),
        grant_state(named, now).into(),
        moment(grant.starts_at),
        maybe(grant.until),
        maybe(grant.updates_until),
    ]
}
