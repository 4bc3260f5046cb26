//! Owns `skaas auth`: from nothing to a marketplace in the person's agents.

use std::{io::Read as _, time::Duration};

use serde::Serialize;
use skaas_api::{Me, Secret};

use crate::{
    Here,
    agents::{self, Agent},
    arguments::Auth,
    browser,
    failure::{Failure, Kind, Result},
    hosts::{Host, Hosts, Kept, file},
    interrupt::Interrupt,
    login,
    output::{self, bold, dim, good, plain},
    places,
    remote::Remote,
    setup::{self, Wishes},
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
    #[serde(skip_serializing_if = "Option::is_none")]
    netrc: Option<String>,
    agents: Vec<Found>,
}

#[derive(Serialize)]
struct Found {
    #[serde(flatten)]
    agent: Agent,
    line: String,
    /// Whether the line was run, and worked.
    added: bool,
}

/// Signs in and sets everything up; done again, it mends.
pub(crate) async fn run(here: &Here, options: &Auth) -> Result<()> {
    let remote = Remote::new(here.address.clone())?;
    let interrupt = Interrupt::while_signing_in(here.json);
    let old = Hosts::load()?.get(&here.address).cloned();
    let old_token = old.as_ref().and_then(|host| host.token(&here.address));
    let (token, me) = match reusable(&remote, options, old_token.as_ref()).await? {
        Some(found) => found,
        None => obtain(here, &remote, options, old.as_ref()).await?,
    };
    interrupt.while_setting_up();
    let host = install(here, options, old.as_ref(), &token, &me)?;
    if let Some(former) = old_token.filter(|former| *former != token) {
        // It is out of use here; that it may be dead already is fine.
        drop(revoke(&remote, &former).await);
    }
    report(here, options, &me, &host);
    Ok(())
}

/// The token that is here already, if it still works and nothing else is asked for.
async fn reusable(remote: &Remote, options: &Auth, token: Option<&Secret>) -> Result<Option<(Secret, Me)>> {
    let Some(token) = token.filter(|_| !options.again && !options.with_token && options.scopes.is_none())
    else {
        return Ok(None);
    };
    match remote.fetch::<Me>(remote.get("/api/me"), token).await {
        Ok(me) => Ok(Some((token.clone(), me))),
        Err(failure) if failure.kind == Kind::NotSignedIn => Ok(None),
        Err(failure) => Err(failure),
    }
}

async fn obtain(here: &Here, remote: &Remote, options: &Auth, old: Option<&Host>) -> Result<(Secret, Me)> {
    if options.with_token {
        let token = from_stdin()?;
        let me = remote.fetch(remote.get("/api/me"), &token).await.map_err(|failure| {
            if failure.kind != Kind::NotSignedIn {
                return failure;
            }
            Failure::new(Kind::NotSignedIn, format!("{} does not take this token", here.address))
                .why("it is mistyped, revoked, expired, or of another server; nothing was changed here")
        })?;
        return Ok((token, me));
    }
    let asking = login::Asking {
        scope: options.scopes.clone(),
        device_name: options.name.clone().unwrap_or_else(login::device_name),
        browser: !options.no_browser && here.settings.browser.unwrap_or(true) && browser::at_hand(),
    };
    let token = login::by_device(remote, &asking).await?.access_token;
    match me_with_patience(remote, &token).await {
        Ok(me) => Ok((token, me)),
        Err(failure) => {
            // The token is given out once: it must not be lost, nor overwrite what still has to be undone.
            if old.is_none() {
                setup::keep(&here.address, "", &token)?;
            } else {
                drop(revoke(remote, &token).await);
            }
            Err(failure.next(format!("{}, to finish", here.address.auth())))
        }
    }
}

async fn me_with_patience(remote: &Remote, token: &Secret) -> Result<Me> {
    let mut tries = 0;
    loop {
        match remote.fetch(remote.get("/api/me"), token).await {
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
    if read.is_err() || token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
        return Err(Failure::new(Kind::Usage, "there is no token on standard input")
            .next("printf %s \"$TOKEN\" | skaas auth --with-token"));
    }
    Ok(Secret::new(token))
}

fn install(here: &Here, options: &Auth, old: Option<&Host>, token: &Secret, me: &Me) -> Result<Host> {
    let username = plain(&me.username);
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
    let host = setup::keep(&here.address, &username, token)?;
    setup::make(&here.address, host, token, wishes).map_err(|failure| {
        let next = failure.next.clone().unwrap_or_else(|| here.address.auth());
        Failure::new(
            failure.kind,
            format!("signed in as {username}, but git is not set up: {}", failure.what),
        )
        .why(failure.why.unwrap_or_default())
        .next(next)
    })
}

fn report(here: &Here, options: &Auth, me: &Me, host: &Host) {
    let marketplace = plain(&me.links.marketplace);
    let agents = agents::found(&marketplace, host.netrc.is_some());
    if !here.json {
        describe(here, host);
        if agents.is_empty() {
            output::line("\nNo coding agent was found here. To add your marketplace to one:");
            output::line(&format!("  claude plugin marketplace add {marketplace}"));
        } else {
            output::line("\nTo add your marketplace:");
        }
    }
    let agents = agents.into_iter().map(|agent| offer(here, options, agent)).collect();
    if here.json {
        output::json(&Report {
            server: here.address.origin(),
            username: host.username.clone(),
            email: me.email.as_deref().map(plain),
            marketplace,
            token: host.prefix.clone(),
            kept: host.kept,
            git_helper: host.helper.clone(),
            netrc: host.netrc.as_ref().map(|path| path.display().to_string()),
            agents,
        });
    }
}

fn describe(here: &Here, host: &Host) {
    output::line(&format!("{} to {} as {}.", good("Signed in"), here.address, bold(&host.username)));
    output::line(&format!("  token  {}…, kept in {}", host.prefix, kept_in(host)));
    match host.kept {
        Kept::GitStore => output::line("  git    its own `store` helper answers for this server"),
        _ => output::line("  git    asks skaas for the password of this server, and of no other"),
    }
    if let Some(path) = &host.netrc {
        output::line(&format!("  netrc  an entry in {} (0600), in the clear", places::shown(path)));
    }
}

/// Where the token is, for people.
pub(crate) fn kept_in(host: &Host) -> String {
    match host.kept {
        Kept::File => {
            file().map_or_else(|_| "a file".into(), |path| format!("{} (0600)", places::shown(&path)))
        }
        Kept::Keychain => "the system's keychain".into(),
        Kept::GitStore => "git's own store (~/.git-credentials, in the clear)".into(),
    }
}

fn offer(here: &Here, options: &Auth, agent: Agent) -> Found {
    let line = agent.line();
    if !here.json {
        output::line(&format!("  {:<12} {}", agent.name, bold(&line)));
        if !agent.complete {
            output::line(&dim(&format!("  {:<12} (SKILL is the name of a skill)", "")));
        }
        if let Some(first) = agent.first {
            output::line(&dim(&format!("  {:<12} (first: {first})", "")));
        }
    }
    let wanted = agent.runnable()
        && (options.yes || (!here.json && output::can_ask() && output::ask("               Run it now?")));
    let added = wanted && agent.add();
    if wanted && !added {
        output::note(&format!("note: {} did not take it; run the line yourself to see why", agent.name));
    }
    Found { agent, line, added }
}
