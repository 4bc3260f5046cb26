//! `skaas status`, `whoami` and `logout`.

use serde::Serialize;
use skaas_api::{CLI_CLIENT_ID, RevocationRequest, Secret};

use crate::{
    Here,
    auth::kept_in,
    failure::{Failure, Kind, Result},
    git::helper,
    hosts::{Host, Hosts, Kept},
    output::{self, bold, good, plain},
    places,
    remote::Remote,
    setup,
};

#[derive(Serialize)]
struct Status<'a> {
    server: String,
    signed_in: bool,
    username: &'a str,
    token: &'a str,
    scopes: Option<String>,
    kept: Kept,
    git_helper: Option<&'a str>,
    git_helper_in_place: bool,
    netrc: Option<String>,
    marketplace: Option<String>,
    others: Vec<&'a str>,
}

/// Shows the sign-in; fails if there is none or its token is rejected.
pub(crate) async fn status(here: &Here) -> Result<()> {
    let hosts = Hosts::load()?;
    let others: Vec<&str> =
        hosts.iter().map(|(origin, _)| origin).filter(|origin| *origin != here.address.origin()).collect();
    let Some(host) = hosts.get(&here.address) else {
        if !others.is_empty() && !here.json {
            output::note(&format!("note: this machine is signed in to {}", others.join(" and ")));
        }
        return Err(Failure::not_signed_in(&here.address));
    };
    let token = host.token(&here.address).ok_or_else(|| gone(here, host))?;
    let remote = Remote::new(here.address.clone())?;
    let account = remote.account(&token).await?;
    let in_place = match &host.helper {
        Some(ours) => helper::named(&here.address)?.contains(ours),
        None => false,
    };
    let status = Status {
        server: here.address.origin(),
        signed_in: true,
        username: &host.username,
        token: &host.prefix,
        scopes: account.me.token.as_ref().map(|token| plain(&token.scopes)),
        kept: host.kept,
        git_helper: host.helper.as_deref(),
        git_helper_in_place: in_place,
        netrc: host.netrc.as_ref().map(|path| path.display().to_string()),
        marketplace: Some(account.marketplace),
        others,
    };
    if here.json {
        output::json(&status);
    } else {
        describe(here, host, &status);
    }
    Ok(())
}

fn describe(here: &Here, host: &Host, status: &Status<'_>) {
    output::line(&format!("{} to {} as {}", good("Signed in"), here.address, bold(&host.username)));
    let may = status.scopes.as_deref().unwrap_or("full");
    output::line(&format!("  token        {}… ({may}), stored in {}", host.prefix, kept_in(host)));
    if status.git_helper_in_place {
        output::line(&format!("  git          runs {}", status.git_helper.unwrap_or_default()));
    } else {
        let auth = output::typed(&here.address.auth());
        output::line(&format!("  git          not connected; to fix this, run: {auth}"));
    }
    if let Some(path) = &host.netrc {
        output::line(&format!("  netrc        {}", places::shown(path)));
    }
    if let Some(marketplace) = &status.marketplace {
        output::line(&format!("  marketplace  {marketplace}"));
    }
    if !status.others.is_empty() {
        output::line(&format!("  also         signed in to {}", status.others.join(", ")));
    }
}

/// The token is no longer where the record says.
fn gone(here: &Here, host: &Host) -> Failure {
    Failure::new(Kind::NotSignedIn, format!("the token for {} is missing", here.address))
        .why(format!("it was stored in {}", kept_in(host)))
        .next(here.address.auth())
}

/// The token for this server.
pub(crate) fn token(here: &Here) -> Result<Secret> {
    let hosts = Hosts::load()?;
    let host = hosts.get(&here.address).ok_or_else(|| Failure::not_signed_in(&here.address))?;
    host.token(&here.address).ok_or_else(|| gone(here, host))
}

/// Prints the username.
pub(crate) async fn whoami(here: &Here) -> Result<()> {
    let token = token(here)?;
    let remote = Remote::new(here.address.clone())?;
    let account = remote.account(&token).await?;
    if here.json {
        output::json(&account.me);
    } else {
        output::line(&account.username);
    }
    Ok(())
}

/// Revokes a token, with that token. One that is already revoked is not an error.
pub(crate) async fn revoke(remote: &Remote, token: &Secret) -> Result<()> {
    let answer = remote.send(remote.delete("/api/tokens/current").bearer_auth(token.reveal())).await?;
    match answer.status.as_u16() {
        200..=299 | 401 => return Ok(()),
        404 | 405 => {}
        _ => return Err(remote.refusal(&answer)),
    }
    let form = RevocationRequest {
        token: token.clone(),
        token_type_hint: Some("access_token".into()),
        client_id: Some(CLI_CLIENT_ID.into()),
    };
    let answer = remote.send(remote.post("/oauth/revoke").form(&form)).await?;
    if answer.status.is_success() { Ok(()) } else { Err(remote.refusal(&answer)) }
}

#[derive(Serialize)]
struct LoggedOut {
    server: String,
    revoked: bool,
    removed: bool,
    left: Vec<String>,
}

/// Revokes the token and removes what signing in wrote, even if the server is unreachable.
pub(crate) async fn logout(here: &Here) -> Result<()> {
    let hosts = Hosts::load()?;
    let host = hosts.get(&here.address).ok_or_else(|| Failure::not_signed_in(&here.address))?;
    let outcome = match host.token(&here.address) {
        Some(token) => revoke(&Remote::new(here.address.clone())?, &token).await,
        None => Err(gone(here, host)),
    };
    let left = setup::undo(&here.address, host);
    setup::forget(&here.address)?;
    if here.json {
        output::json(&LoggedOut {
            server: here.address.origin(),
            revoked: outcome.is_ok(),
            removed: left.is_empty(),
            left: left.clone(),
        });
    } else {
        for thing in &left {
            output::note(&format!("note: {thing}"));
        }
    }
    if let Err(failure) = outcome {
        let page = here.address.at("/account/tokens");
        return Err(Failure::new(
            failure.kind,
            format!("signed out on this machine, but the token {}… is still valid", host.prefix),
        )
        .why(failure)
        .next(format!("revoke it on {page}")));
    }
    if !here.json {
        output::line(&format!("Signed out of {}. The token {}… is revoked.", here.address, host.prefix));
    }
    Ok(())
}
