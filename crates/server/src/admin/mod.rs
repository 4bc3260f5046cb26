//! `skaas-server admin`: what an operator does by hand, for people and with `--json` for programs. Each command calls
//! a use case; rules belong there.

mod audit;
mod jobs;
mod operators;
mod prices;
mod restored;
mod show;
mod storage;
mod vault;

use jiff::Timestamp;
use serde_json::{Value, json};
use skaas_app::{
    Actor, App, Whose, accounts, grants, listings, second_factor, stamps, suspension, tokens, users,
};
use skaas_domain::{entitlement, listing::ListingState, scope::Scopes};

use crate::{
    arguments::{
        Admin, Grant, GrantKind, Job, Listing, ListingPrice, ListingSet, Operator, Place, Storage, Token,
        User, Vault,
    },
    installation, output, telemetry,
    until::moment,
};

/// Runs one command beside a running server, or without one.
pub(crate) async fn run(place: &Place, command: Admin) -> anyhow::Result<()> {
    telemetry::start_log_beside(&installation::settings(place, Vec::new())?.log)?;
    let app = installation::beside_the_server(place).await?;
    let (actor, change) = (actor(), change_of(&command));
    obey(&app, &actor, command).await?;
    if let Some(change) = change {
        tracing::info!(event = "admin_change", %actor, change);
    }
    Ok(())
}

/// Who runs the command, as the system knows them.
fn actor() -> Actor {
    let name = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    let name = name.filter(|name| !name.is_empty());
    #[cfg(unix)]
    let name = name.or_else(|| Some(format!("UID {}", rustix::process::getuid().as_raw())));
    Actor::operator(&name.unwrap_or_else(|| "unknown".to_owned()))
}

/// The word for a command that changes something.
const fn change_of(command: &Admin) -> Option<&'static str> {
    match command {
        Admin::User(User::Add { .. }) => Some("user add"),
        Admin::User(User::SignOut { .. }) => Some("user sign-out"),
        Admin::User(User::Suspend { .. }) => Some("user suspend"),
        Admin::User(User::Unsuspend { .. }) => Some("user unsuspend"),
        Admin::User(User::Delete { .. }) => Some("user delete"),
        Admin::Operator(Operator::Add { .. }) => Some("operator add"),
        Admin::Operator(Operator::Remove { .. }) => Some("operator remove"),
        Admin::User(User::ResetSecondFactor { .. }) => Some("user reset-second-factor"),
        Admin::Token(Token::Create { .. }) => Some("token create"),
        Admin::Token(Token::Revoke { .. }) => Some("token revoke"),
        Admin::Listing(Listing::Set(_)) => Some("listing set"),
        Admin::Listing(Listing::Quarantine { .. }) => Some("listing quarantine"),
        Admin::Listing(Listing::Release { .. }) => Some("listing release"),
        Admin::Listing(Listing::Delete { .. }) => Some("listing delete"),
        Admin::Listing(Listing::Price(ListingPrice::Set { .. })) => Some("listing price set"),
        Admin::Listing(Listing::Price(ListingPrice::Archive { .. })) => Some("listing price archive"),
        Admin::Grant(Grant::Add { .. }) => Some("grant add"),
        Admin::Grant(Grant::Revoke { .. }) => Some("grant revoke"),
        Admin::Restored { .. } => Some("restored"),
        Admin::Restamp { .. } => Some("restamp"),
        Admin::Job(Job::Retry { .. }) => Some("job retry"),
        Admin::Job(Job::Cancel { .. }) => Some("job cancel"),
        Admin::Storage(Storage::Sweep { dry_run: false, .. }) => Some("storage sweep"),
        Admin::Vault(Vault::Rotate { .. }) => Some("vault rotate"),
        Admin::Vault(Vault::Discard { .. }) => Some("vault discard"),
        _ => None,
    }
}

async fn obey(app: &App, actor: &Actor, command: Admin) -> anyhow::Result<()> {
    match command {
        Admin::User(command) => user(app, actor, command).await,
        Admin::Operator(command) => operators::run(app, actor, command).await,
        Admin::Token(command) => token(app, actor, command).await,
        Admin::Listing(Listing::Set(options)) => listing_set(app, actor, &options).await,
        Admin::Listing(Listing::Price(command)) => prices::run(app, actor, command).await,
        Admin::Listing(Listing::Quarantine { skill, reason, json }) => {
            let details = listings::quarantine(app, actor, &skill, &reason).await?;
            reviewed(app, &details, json, "It is served to nobody but its creator until you release it.")
        }
        Admin::Listing(Listing::Release { skill, json }) => {
            let details = listings::release(app, actor, &skill).await?;
            reviewed(app, &details, json, "People who have it get it back with their next pull.")
        }
        Admin::Listing(Listing::Delete { skill, yes, json }) => {
            listing_delete(app, actor, &skill, yes, json).await
        }
        Admin::Listing(Listing::Show { skill, json }) => {
            listing_show(app, actor, skill.as_deref(), json).await
        }
        Admin::Grant(command) => grant(app, actor, command).await,
        Admin::Restored { revoke, json } => restored::run(app, actor, revoke, json).await,
        Admin::Restamp { json } => restamp(app, actor, json).await,
        Admin::Job(command) => jobs::run(app, actor, command).await,
        Admin::Audit(command) => audit::run(app, actor, command).await,
        Admin::Storage(command) => storage::run(app, actor, command).await,
        Admin::Vault(command) => vault::run(app, actor, command).await,
    }
}

async fn restamp(app: &App, actor: &Actor, as_json: bool) -> anyhow::Result<()> {
    let corrected = stamps::restamp(app, actor).await?;
    if as_json {
        return output::json(&json!({ "steps": corrected.steps, "grants": corrected.grants }));
    }
    output::line(&format!("Corrected {} steps and {} grants", corrected.steps, corrected.grants));
    Ok(())
}

fn refused(error: impl std::fmt::Display) -> anyhow::Error {
    skaas_app::Error::refused(skaas_app::Code::InvalidValue, format!("{error}; nothing was changed")).into()
}

fn moment_of(app: &App, text: Option<&str>) -> anyhow::Result<Option<Timestamp>> {
    text.map(|text| moment(text, app.now()).map_err(refused)).transpose()
}

async fn user(app: &App, actor: &Actor, command: User) -> anyhow::Result<()> {
    match command {
        User::Add { username, email, json } => {
            let user = users::add(app, actor, &username, &email).await?;
            if json {
                return output::json(&show::user(&user));
            }
            output::line(&format!("Added {} ({})", user.username, user.id));
            output::note(&format!("next: skaas-server admin token create {}", user.username));
        }
        User::List { json } => {
            let all = users::list(app, actor).await?;
            if json {
                return output::json(&all.iter().map(show::user).collect::<Vec<_>>());
            }
            let rows: Vec<Vec<String>> = all
                .iter()
                .map(|user| {
                    let address = accounts::address(user).unwrap_or("-").to_owned();
                    let state = if user.is_suspended() { "suspended" } else { "active" };
                    vec![user.username.clone(), address, state.to_owned(), show::moment(user.created_at)]
                })
                .collect();
            output::table(
                &["USERNAME", "EMAIL", "STATE", "SINCE"],
                &rows,
                "No users yet: `admin user add NAME --email …`",
            );
        }
        User::SignOut { username, json } => {
            let ended = accounts::sign_out_everywhere(app, actor, &username).await?;
            let accounts::Ended { sessions, tokens, applications } = ended;
            if json {
                return output::json(&json!({
                    "username": username, "sessions": sessions, "tokens": tokens, "apps": applications,
                }));
            }
            output::line(&format!(
                "Signed {username} out: {sessions} sessions, {tokens} tokens and {applications} apps revoked"
            ));
            output::note("The password still works. To change it, the user asks for a reset link.");
        }
        User::ResetSecondFactor { username, yes, json } => {
            reset_second_factor(app, actor, &username, yes, json).await?;
        }
        User::Suspend { username, reason, json } => {
            let user = suspension::suspend(app, actor, &username, &reason).await?;
            if json {
                return output::json(&show::user(&user));
            }
            output::line(&format!("Suspended {username}"));
            output::note(
                "Nobody can sign in to the account, and its tokens open nothing. Nothing is deleted. To lift the \
                 suspension: skaas-server admin user unsuspend NAME",
            );
        }
        User::Unsuspend { username, json } => {
            let user = suspension::unsuspend(app, actor, &username).await?;
            if json {
                return output::json(&show::user(&user));
            }
            output::line(&format!("{username} is no longer suspended; their sessions and tokens work again"));
        }
        User::Delete { username, yes, json } => {
            if !yes {
                return Err(refused(format!(
                    "deleting {username} erases the address, revokes every token and retires the name permanently; to do so, add --yes"
                )));
            }
            let user = users::delete(app, actor, &username).await?;
            if json {
                return output::json(&json!({ "id": user.id, "username": user.username, "deleted": true }));
            }
            output::line(&format!("Deleted {}; the name is never given again", user.username));
        }
    }
    Ok(())
}

async fn reset_second_factor(
    app: &App,
    actor: &Actor,
    username: &str,
    yes: bool,
    as_json: bool,
) -> anyhow::Result<()> {
    if !yes {
        return Err(refused(format!(
            "whoever has the password of {username} could then sign in without a second factor; to remove it, add --yes"
        )));
    }
    let removed = second_factor::reset(app, actor, username).await?.removed;
    if as_json {
        return output::json(&json!({
            "username": username,
            "passkeys": removed.passkeys,
            "authenticator_app": removed.authenticator_app,
            "recovery_codes": removed.recovery_codes,
        }));
    }
    if !removed.is_set_up() {
        output::note(&format!("{username} has no second factor; nothing was changed"));
        return Ok(());
    }
    let app = if removed.authenticator_app { "the authenticator app" } else { "no authenticator app" };
    output::line(&format!(
        "Removed {} passkeys, {app} and {} recovery codes of {username}",
        removed.passkeys, removed.recovery_codes
    ));
    output::note("Sessions that are open stay open; `admin user sign-out` ends them.");
    Ok(())
}

async fn token(app: &App, actor: &Actor, command: Token) -> anyhow::Result<()> {
    match command {
        Token::Create { username, name, scopes, expires, json } => {
            let expires = moment_of(app, expires.as_deref())?;
            let scopes: Scopes = match scopes.as_slice() {
                [] => Scopes::full(),
                some => some.join(" ").parse().map_err(refused)?,
            };
            let new = tokens::NewToken { name: &name, scopes: Some(scopes), expires_at: expires };
            let created = tokens::create(app, actor, Whose::Of(&username), new).await?;
            if json {
                let mut value = show::token(&created.record, app.now());
                value["token"] = Value::from(created.token.reveal());
                value["username"] = Value::from(username);
                return output::json(&value);
            }
            output::line(created.token.reveal());
            output::note("This is the only time the token is shown. Give it to git as the password.");
        }
        Token::List { username, json } => {
            let all = tokens::list(app, actor, Whose::Of(&username)).await?;
            let now = app.now();
            if json {
                return output::json(&all.iter().map(|token| show::token(token, now)).collect::<Vec<_>>());
            }
            let rows: Vec<Vec<String>> = all.iter().map(|token| show::token_row(token, now)).collect();
            let empty = format!("{username} has no tokens: `admin token create {username}`");
            output::table(
                &["TOKEN", "NAME", "SCOPES", "STATE", "CREATED", "LAST USED", "EXPIRES"],
                &rows,
                &empty,
            );
        }
        Token::Revoke { username, token, descendants, json } => {
            let revoked = match &token {
                Some(token) if descendants => {
                    tokens::revoke_with_descendants(app, actor, Whose::Of(&username), token).await?
                }
                _ => tokens::revoke(app, actor, Whose::Of(&username), token.as_deref()).await?,
            };
            let now = app.now();
            if json {
                return output::json(
                    &revoked.iter().map(|token| show::token(token, now)).collect::<Vec<_>>(),
                );
            }
            for token in &revoked {
                output::line(&format!("Revoked {} ({})", token.id_part, token.name));
            }
            if let ([one], Some(_)) = (revoked.as_slice(), &token) {
                let left = tokens::working_descendants(app, actor, one.user, one.id).await?;
                if !left.is_empty() {
                    let names: Vec<String> =
                        left.iter().map(|token| format!("{} ({})", token.id_part, token.name)).collect();
                    output::note(&format!(
                        "Tokens created with it still work: {}. To revoke them too, add --descendants.",
                        names.join(", ")
                    ));
                }
            }
            if revoked.is_empty() {
                output::note(&format!("{username} has no tokens; nothing was changed"));
            }
        }
    }
    Ok(())
}

async fn listing_set(app: &App, actor: &Actor, options: &ListingSet) -> anyhow::Result<()> {
    let price = options.price.map(|minor| prices::read(minor, &options.currency, options.interval));
    let state = match (options.publish, options.withdraw) {
        (true, _) => Some(ListingState::Published),
        (_, true) => Some(ListingState::Withdrawn),
        _ => None,
    };
    let change = listings::Change {
        price: price.transpose()?.map(listings::PriceChange::Only),
        trial_days: options.trial_days,
        category: options.category.clone(),
        tags: (!options.tags.is_empty()).then(|| options.tags.clone()),
        state,
    };
    let details = listings::set(app, actor, &options.skill, &change).await?;
    if options.json {
        return output::json(&show::listing(app, &details));
    }
    output::line(&show::listing_text(app, &details));
    if details.listing.state == ListingState::Published && details.listing.prices.is_empty() {
        output::note(
            "It has no price, so it can only be granted: --price 900 --currency USD, or --price 0 for free.",
        );
    }
    Ok(())
}

/// Shows a listing that entered or left quarantine.
fn reviewed(app: &App, details: &listings::Details, as_json: bool, note: &str) -> anyhow::Result<()> {
    if as_json {
        return output::json(&show::listing(app, details));
    }
    output::line(&show::listing_text(app, details));
    output::note(note);
    Ok(())
}

async fn listing_delete(
    app: &App,
    actor: &Actor,
    skill: &str,
    yes: bool,
    as_json: bool,
) -> anyhow::Result<()> {
    if !yes {
        return Err(refused(format!(
            "deleting {skill} takes it from everybody who has it and retires the name permanently; to do so, add --yes, or \
             leave it to its holders with `listing set {skill} --withdraw`"
        )));
    }
    let listing = listings::delete(app, actor, skill).await?;
    if as_json {
        return output::json(&json!({ "id": listing.skill, "name": listing.name, "deleted": true }));
    }
    output::line(&format!("Deleted {}; the name is never given again", listing.name));
    Ok(())
}

async fn listing_show(app: &App, actor: &Actor, skill: Option<&str>, as_json: bool) -> anyhow::Result<()> {
    if let Some(skill) = skill {
        let details = listings::find(app, actor, skill).await?;
        if as_json {
            return output::json(&show::listing(app, &details));
        }
        output::line(&show::listing_text(app, &details));
        return Ok(());
    }
    let all = listings::list(app, actor).await?;
    if as_json {
        return output::json(&all.iter().map(|details| show::listing(app, details)).collect::<Vec<_>>());
    }
    let rows: Vec<Vec<String>> = all.iter().map(show::listing_row).collect();
    let empty = "No skills yet: a creator pushes one to /s/{creator}/{source}.git";
    output::table(&["SKILL", "STATE", "VERSION", "PRICE", "CREATOR"], &rows, empty);
    Ok(())
}

async fn grant(app: &App, actor: &Actor, command: Grant) -> anyhow::Result<()> {
    match command {
        Grant::Add { username, skill, kind, until, updates_until, json } => {
            let new = grants::NewGrant {
                username,
                skill,
                kind: kind_of(kind),
                until: moment_of(app, until.as_deref())?,
                updates_until: moment_of(app, updates_until.as_deref())?,
                note: "given by the operator".into(),
            };
            let username = new.username.clone();
            let named = grants::add(app, actor, new).await?;
            if json {
                return output::json(&show::grant(&named, app.now()));
            }
            let until = named
                .record
                .grant
                .until
                .map_or("for ever".into(), |end| format!("until {}", show::moment(end)));
            output::line(&format!("{username} has {} {until}; the next pull brings it", named.skill));
        }
        Grant::List { username, skill, json } => {
            let all = grants::list(app, actor, &username, skill.as_deref()).await?;
            let now = app.now();
            if json {
                return output::json(&all.iter().map(|named| show::grant(named, now)).collect::<Vec<_>>());
            }
            let rows: Vec<Vec<String>> = all.iter().map(|named| show::grant_row(named, now)).collect();
            let empty = format!("{username} has no grants: `admin grant add {username} SKILL --kind gift`");
            output::table(&["SKILL", "KIND", "STATE", "SINCE", "UNTIL", "UPDATES UNTIL"], &rows, &empty);
        }
        Grant::Revoke { username, skill, json } => {
            let ended = grants::revoke(app, actor, &username, skill.as_deref()).await?;
            let now = app.now();
            if json {
                return output::json(&ended.iter().map(|named| show::grant(named, now)).collect::<Vec<_>>());
            }
            for named in &ended {
                output::line(&format!("Revoked the {} of {}", named.record.grant.kind.as_str(), named.skill));
            }
            if ended.is_empty() {
                output::note(&format!("{username} has nothing of that to take back; nothing was changed"));
            }
        }
    }
    Ok(())
}

const fn kind_of(kind: GrantKind) -> entitlement::GrantKind {
    match kind {
        GrantKind::Gift => entitlement::GrantKind::Gift,
        GrantKind::Trial => entitlement::GrantKind::Trial,
        GrantKind::Purchase => entitlement::GrantKind::Purchase,
        GrantKind::Subscription => entitlement::GrantKind::Subscription,
        GrantKind::Seat => entitlement::GrantKind::Seat,
    }
}
