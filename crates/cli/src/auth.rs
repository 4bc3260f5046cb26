//! `skaas auth`: sign in, connect git, and add the marketplace to the user's agents.

use std::{io::Read as _, time::Duration};

use jiff::Timestamp;
use serde::Serialize;
use skaas_api::{Me, Secret};

use crate::{
    Here,
    account::{self, Account},
    agents::{self, Agent},
    arguments::Auth,
    browser, clock,
    failure::{Failure, Kind, Result},
    hosts::{Host, Hosts, Kept, file},
    interrupt::Interrupt,
    login,
    output::{self, bold, dim, good, plain},
    places, program,
    remote::Remote,
    setup::{self, Wishes},
    shell::quoted,
    status::revoke,
};

#[derive(Serialize)]
struct Report {
    server: String,
    username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    marketplace: String,
    token: String,
    kept: Kept,
    git_helper: Option<String>,
    /// Whether git runs a copy of this program, because this one may be deleted.
    git_helper_copied: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    netrc: Option<String>,
    agents: Vec<Found>,
}

#[derive(Serialize)]
struct Found {
    #[serde(flatten)]
    agent: Agent,
    line: String,
    /// Whether the command was run successfully.
    added: bool,
}

/// Signs in and sets everything up. Running it again repairs what is missing.
pub(crate) async fn run(here: &Here, options: &Auth) -> Result<()> {
    let remote = Remote::new(here.address.clone())?;
    let interrupt = Interrupt::while_signing_in(here.json);
    let old = Hosts::load()?.get(&here.address).cloned();
    let old_token = old.as_ref().and_then(|host| host.token(&here.address));
    let (token, account) = match reusable(&remote, options, old_token.as_ref()).await? {
        Some(found) => found,
        None => obtain(here, &remote, options, old.as_ref()).await?,
    };
    interrupt.while_setting_up();
    let host = install(here, options, old.as_ref(), &token, &account)?;
    if let Some(former) = old_token.filter(|former| *former != token) {
        // It is no longer used here. That it may already be revoked is fine.
        drop(revoke(&remote, &former).await);
    }
    report(here, options, &account, &host);
    Ok(())
}

/// The current token, if it works and the options do not ask for another.
async fn reusable(
    remote: &Remote,
    options: &Auth,
    token: Option<&Secret>,
) -> Result<Option<(Secret, Account)>> {
    let Some(token) = token.filter(|_| !options.again && !options.with_token && options.scopes.is_none())
    else {
        return Ok(None);
    };
    match remote.account(token).await {
        Ok(account) if output::can_ask() && ends_soon(&account.me, clock::now()) => {
            output::note("Your token expires soon, so you get a new one.");
            Ok(None)
        }
        Ok(account) => Ok(Some((token.clone(), account))),
        Err(failure) if failure.kind == Kind::NotSignedIn => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Whether less than a twelfth of a token's time is left: the last month of one that works for a year.
fn ends_soon(me: &Me, now: Timestamp) -> bool {
    let Some(token) = &me.token else { return false };
    token.expires_at.is_some_and(|end| end.duration_since(now) * 12 < end.duration_since(token.created_at))
}

async fn obtain(
    here: &Here,
    remote: &Remote,
    options: &Auth,
    old: Option<&Host>,
) -> Result<(Secret, Account)> {
    if options.with_token {
        let token = from_stdin()?;
        let account = remote.account(&token).await.map_err(|failure| {
            if failure.kind != Kind::NotSignedIn {
                return failure;
            }
            Failure::new(Kind::NotSignedIn, format!("{} rejected this token", here.address))
                .why("it is mistyped, revoked, expired or from another server; nothing was changed on this machine")
        })?;
        return Ok((token, account));
    }
    let asking = login::Asking {
        scope: options.scopes.clone(),
        device_name: options.name.clone().unwrap_or_else(login::device_name),
        browser: !options.no_browser && here.settings.browser.unwrap_or(true) && browser::at_hand(),
    };
    let token = login::by_device(remote, &asking).await?.access_token;
    match account_with_retries(remote, &token).await {
        Ok(account) => Ok((token, account)),
        Err(failure) => {
            // The token is issued only once, so it must not be lost; nor may it replace a record that is still needed
            // to undo an earlier sign-in. One from a server that cannot be trusted is not worth keeping.
            if old.is_none() && failure.kind == Kind::Network {
                setup::keep(&here.address, "", &token)?;
            } else {
                drop(revoke(remote, &token).await);
            }
            let finish = format!("{}, to finish", here.address.auth());
            Err(if failure.kind == Kind::Network { failure.next(finish) } else { failure })
        }
    }
}

async fn account_with_retries(remote: &Remote, token: &Secret) -> Result<Account> {
    let mut tries = 0;
    loop {
        match remote.account(token).await {
            Err(failure) if failure.kind == Kind::Network && tries < 3 => tries += 1,
            outcome => return outcome,
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn from_stdin() -> Result<Secret> {
    if output::can_ask() {
        output::note("Paste the token, then press Enter and Ctrl-D:");
    }
    let mut text = String::new();
    let read = std::io::stdin().lock().take(8 << 10).read_to_string(&mut text);
    let token = text.trim();
    if read.is_err() || !account::is_token(token) {
        return Err(Failure::new(Kind::Usage, "there is no valid token on standard input")
            .next("printf %s \"$TOKEN\" | skaas auth --with-token"));
    }
    Ok(Secret::new(token))
}

fn install(
    here: &Here,
    options: &Auth,
    old: Option<&Host>,
    token: &Secret,
    account: &Account,
) -> Result<Host> {
    let username = &account.username;
    if let Some(old) = old {
        for left in setup::undo(&here.address, old) {
            output::note(&format!("note: {left}"));
        }
    }
    let wishes = Wishes {
        store: options.store,
        netrc: options.netrc || old.is_some_and(|old| old.netrc.is_some()),
        keychain: here.settings.keychain.unwrap_or(true),
    };
    let host = setup::keep(&here.address, username, token)?;
    setup::make(&here.address, host, token, wishes).map_err(|failure| {
        let next = failure.next.clone().unwrap_or_else(|| here.address.auth());
        Failure::new(
            failure.kind,
            format!("signed in as {username}, but git is not connected: {}", failure.what),
        )
        .why(failure.why.unwrap_or_default())
        .next(next)
    })
}

fn report(here: &Here, options: &Auth, account: &Account, host: &Host) {
    let marketplace = &account.marketplace;
    let agents = agents::found(&here.address, marketplace, host.netrc.is_some());
    if !here.json {
        describe(here, host);
        if agents.is_empty() {
            output::line(
                "\nNo coding agents were found on this machine. To add your marketplace to one, run for example:",
            );
            output::line(&format!("  claude plugin marketplace add {}", quoted(marketplace)));
        } else {
            output::line("\nTo add your marketplace, run:");
        }
    }
    let agents = agents.into_iter().map(|agent| offer(here, options, agent)).collect();
    if here.json {
        output::json(&Report {
            server: here.address.origin(),
            username: host.username.clone(),
            email: account.me.email.as_deref().map(plain),
            marketplace: marketplace.clone(),
            token: host.prefix.clone(),
            kept: host.kept,
            git_helper: host.helper.clone(),
            git_helper_copied: runs_copy(host),
            netrc: host.netrc.as_ref().map(|path| path.display().to_string()),
            agents,
        });
    }
}

fn describe(here: &Here, host: &Host) {
    output::line(&format!("{} to {} as {}.", good("Signed in"), here.address, bold(&host.username)));
    output::line(&format!("  token  {}…, stored in {}", host.prefix, kept_in(host)));
    match host.kept {
        Kept::GitStore => output::line("  git    reads the token from its `store` helper"),
        _ => output::line("  git    gets the token from skaas, for this server only"),
    }
    if runs_copy(host) {
        let copy = program::copy().map(|path| places::shown(&path)).unwrap_or_default();
        output::line(&format!("         {}", dim(&format!("(runs {copy}, a copy of this program:"))));
        output::line(&format!("         {}", dim("this one is in an npm folder, which may be deleted)")));
    }
    if let Some(path) = &host.netrc {
        output::line(&format!("  netrc  entry in {} (mode 0600, unencrypted)", places::shown(path)));
    }
}

/// Whether git runs the permanent copy of this program.
fn runs_copy(host: &Host) -> bool {
    let copy = program::copy().and_then(|path| program::value(&path));
    copy.is_ok_and(|value| host.helper.as_ref() == Some(&value))
}

/// Where the token is stored, in words.
pub(crate) fn kept_in(host: &Host) -> String {
    match host.kept {
        Kept::File => {
            file().map_or_else(|_| "a file".into(), |path| format!("{} (mode 0600)", places::shown(&path)))
        }
        Kept::Keychain => "the system keychain".into(),
        Kept::GitStore => "git's `store` helper (~/.git-credentials, unencrypted)".into(),
    }
}

fn offer(here: &Here, options: &Auth, agent: Agent) -> Found {
    let line = agent.line();
    if !here.json {
        // A step that has to come first is printed first: people paste from top to bottom.
        let lines = agent.first.iter().chain([&line]);
        for (name, line) in std::iter::once(agent.name).chain(std::iter::repeat("")).zip(lines) {
            output::line(&format!("  {name:<12} {}", bold(line)));
        }
        if !agent.complete {
            output::line(&dim(&format!("  {:<12} (replace SKILL with the name of a skill)", "")));
        }
    }
    let wanted = agent.runnable()
        && (options.yes || (!here.json && output::can_ask() && output::ask("               Run it now?")));
    let added = wanted && agent.add();
    if wanted && !added {
        output::note(&format!("note: {} failed; run the command yourself to see why", agent.name));
    }
    Found { agent, line, added }
}

#[cfg(test)]
mod tests {
    use skaas_api::{Links, TokenInfo};

    use super::*;

    #[test]
    fn a_token_is_renewed_in_the_last_twelfth_of_its_time() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let me = |expires_at: Option<&str>| Me {
            id: "usr_1".into(),
            username: "ann".into(),
            email: None,
            email_verified: None,
            created_at: at("2026-01-01T00:00:00Z"),
            token: Some(TokenInfo {
                id: "tok_1".into(),
                name: "laptop".into(),
                prefix: "sk_live_Xy12Ab9Q".into(),
                scopes: "full".into(),
                current: true,
                created_at: at("2026-01-01T00:00:00Z"),
                last_used_at: None,
                last_used_from: None,
                expires_at: expires_at.map(at),
                revoked_at: None,
                parent: None,
            }),
            links: Links { marketplace: String::new(), account: String::new() },
        };
        let year = me(Some("2027-01-01T00:00:00Z"));
        assert!(!ends_soon(&year, at("2026-12-01T00:00:00Z")));
        assert!(ends_soon(&year, at("2026-12-02T00:00:00Z")));
        let week = me(Some("2026-01-08T00:00:00Z"));
        assert!(!ends_soon(&week, at("2026-01-07T00:00:00Z")));
        assert!(!ends_soon(&me(None), at("2099-01-01T00:00:00Z")));
    }
}
