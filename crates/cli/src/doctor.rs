//! Owns `skaas doctor`: it does what an agent does, without anybody to ask, and names the fault and the cure.
//! Refuses to change anything: git is not given a password that it would erase somewhere when it is refused.

use serde::Serialize;
use skaas_api::{Me, Secret};

use crate::{
    Here, clock,
    failure::{Failure, Kind, Result},
    git::{self, helper},
    hosts::{Host, Hosts},
    output::{self, bad, good, plain},
    remote::{Answer, Remote},
};

/// How far two clocks may differ before somebody wonders about expiry.
const CLOCK_SLACK_S: i64 = 300;

/// One thing looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    ok: bool,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cure: Option<String>,
    /// The exit code, when this is the first fault.
    #[serde(skip)]
    kind: Kind,
}

fn fine(what: &'static str, found: impl Into<String>) -> Finding {
    Finding { what, ok: true, found: found.into(), cure: None, kind: Kind::Failed }
}

fn fault(what: &'static str, kind: Kind, found: impl Into<String>, cure: impl Into<String>) -> Finding {
    Finding { what, ok: false, found: found.into(), cure: Some(cure.into()), kind }
}

fn from_failure(what: &'static str, failure: &Failure) -> Finding {
    let cure = failure.next.clone().filter(|next| !next.contains("skaas doctor"));
    let cure = cure.unwrap_or_else(|| {
        "check the address, the network, and HTTPS_PROXY and NO_PROXY; then run this again".into()
    });
    fault(what, failure.kind, failure.to_string(), cure)
}

/// Looks, reports, and fails with the first fault's exit code.
pub(crate) async fn run(here: &Here) -> Result<()> {
    let findings = look(here).await?;
    if here.json {
        output::json(&findings);
    } else {
        for finding in &findings {
            let mark = if finding.ok { good("ok   ") } else { bad("FAULT") };
            output::line(&format!("{mark}  {:<12} {}", finding.what, finding.found));
            if let Some(cure) = &finding.cure {
                output::line(&format!("       {:<12} {}", "->", output::typed(cure)));
            }
        }
    }
    let faults: Vec<&Finding> = findings.iter().filter(|finding| !finding.ok).collect();
    match faults.first() {
        None => Ok(()),
        Some(first) => Err(Failure::new(first.kind, format!("{} fault(s) found", faults.len()))
            .why(format!("{}: {}", first.what, first.found))
            .next(first.cure.clone().unwrap_or_default())),
    }
}

async fn look(here: &Here) -> Result<Vec<Finding>> {
    let mut findings =
        vec![fine("server", format!("{} (named by {})", here.address, here.named_by)), git_itself()];
    let remote = Remote::new(here.address.clone())?;
    let probe = match remote.send(remote.get("/me/marketplace.git/info/refs?service=git-upload-pack")).await {
        Ok(answer) => answer,
        Err(failure) => {
            findings.push(from_failure("reachable", &failure));
            return Ok(findings);
        }
    };
    findings.push(anonymous(&remote, &probe));
    findings.extend(clocks(&probe));
    if !findings.iter().all(|finding| finding.ok || finding.what == "clock") {
        return Ok(findings);
    }
    let hosts = Hosts::load()?;
    let Some(host) = hosts.get(&here.address) else {
        findings.push(fault("signed in", Kind::NotSignedIn, "no", here.address.auth()));
        return Ok(findings);
    };
    let Some(token) = host.token(&here.address) else {
        let found = "the token is not where it was kept";
        findings.push(fault("signed in", Kind::NotSignedIn, found, here.address.auth()));
        return Ok(findings);
    };
    let me: Me = match remote.fetch(remote.get("/api/me"), &token).await {
        Ok(me) => me,
        Err(failure) => {
            findings.push(from_failure("signed in", &failure));
            return Ok(findings);
        }
    };
    findings.push(identity(here, host, &me));
    let marketplace = plain(&me.links.marketplace);
    findings.push(rewritten(&marketplace)?);
    let answered = who_answers(here, host, &token)?;
    let ours = answered.ok;
    findings.push(answered);
    if ours {
        findings.push(clone_like_an_agent(here, &marketplace)?);
    }
    Ok(findings)
}

fn git_itself() -> Finding {
    match git::run(&["--version"], "") {
        Ok(ran) if ran.succeeded() => fine("git", ran.text().trim_start_matches("git version ").to_owned()),
        Ok(ran) => fault("git", Kind::Failed, plain(&ran.stderr), "install git 2.20 or newer"),
        Err(failure) => from_failure("git", &failure),
    }
}

/// What every operation of an agent begins with: a request without a password, answered by a challenge.
fn anonymous(remote: &Remote, answer: &Answer) -> Finding {
    let challenged =
        answer.header("www-authenticate").is_some_and(|text| text.to_lowercase().contains("basic"));
    match answer.status.as_u16() {
        401 if challenged => fine("reachable", "it asks for a password, as it should"),
        401 => fault(
            "reachable",
            Kind::Network,
            "something in between asks for another kind of sign-in",
            "use a network without it, or let the server's address pass",
        ),
        407 => fault(
            "reachable",
            Kind::Network,
            "the proxy wants a sign-in",
            "set HTTPS_PROXY with it, or NO_PROXY",
        ),
        404 => from_failure("reachable", &remote.foreign("there is no marketplace at that address")),
        200..=299 => {
            from_failure("reachable", &remote.foreign("it serves a marketplace without asking who we are"))
        }
        _ => from_failure("reachable", &remote.refusal(answer)),
    }
}

fn clocks(answer: &Answer) -> Option<Finding> {
    let there = answer.date()?;
    let ahead = clock::now().as_second() - there.as_second();
    if ahead.abs() <= CLOCK_SLACK_S {
        return Some(fine("clock", "agrees with the server's"));
    }
    let way = if ahead > 0 { "ahead of" } else { "behind" };
    let found = format!("this machine's is {} minutes {way} the server's", ahead.abs() / 60);
    Some(fault("clock", Kind::Failed, found, "set the clock: certificates and expiry depend on it"))
}

fn identity(here: &Here, host: &Host, me: &Me) -> Finding {
    let username = plain(&me.username);
    if host.username == username {
        let may = me.token.as_ref().map_or_else(|| "full".to_owned(), |token| plain(&token.scopes));
        fine("signed in", format!("as {username}, with {}… ({may})", host.prefix))
    } else {
        let found = format!("git would say {}, but the token is {username}'s", host.username);
        fault("signed in", Kind::Failed, found, here.address.auth())
    }
}

/// Whether git goes where it is told to.
fn rewritten(marketplace: &str) -> Result<Finding> {
    let ran = git::run(&["ls-remote", "--get-url", marketplace], "")?;
    let really = ran.text();
    if really == marketplace {
        return Ok(fine("address", marketplace));
    }
    let found = format!("git turns {marketplace} into {}", plain(&really));
    Ok(fault(
        "address",
        Kind::Failed,
        found,
        "remove that url.….insteadOf: git config --get-regexp insteadof",
    ))
}

/// Whose password git would send. Nothing is sent.
fn who_answers(here: &Here, host: &Host, token: &Secret) -> Result<Finding> {
    let attributes = format!("protocol={}\nhost={}\n\n", here.address.scheme(), here.address.host_and_port());
    let ran = git::run(&["credential", "fill"], &attributes)?;
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
    let cure = here.address.auth();
    match (value("username="), value("password=")) {
        (Some(username), Some(password)) if password == token.reveal() && username == host.username => {
            Ok(fine("git asks us", format!("and gets the token of {username}")))
        }
        (Some(username), Some(password)) if password == token.reveal() => {
            let found = format!("git sends the name {}, not {}", plain(&username), host.username);
            let cure =
                format!("git config --get-regexp 'credential.*username', and remove it for {}", here.address);
            Ok(fault("git asks us", Kind::Failed, found, cure))
        }
        (_, Some(_)) => {
            let ours = host.helper.as_deref().unwrap_or_default();
            let others: Vec<String> = helper::considered()?
                .into_iter()
                .filter(|(entry, _)| !entry.ends_with(ours) && !entry.ends_with("= "))
                .map(|(entry, file)| format!("{} in {}", plain(&entry), plain(&file)))
                .collect();
            let found = format!("another helper answers first: {}", others.join("; "));
            Ok(fault("git asks us", Kind::Failed, found, format!("{cure} (or remove the stale entry there)")))
        }
        _ => Ok(fault("git asks us", Kind::Failed, "nobody answers git for this server", cure)),
    }
}

/// The second half of what an agent does.
fn clone_like_an_agent(here: &Here, marketplace: &str) -> Result<Finding> {
    let ran = git::run(&["ls-remote", "--", marketplace, "HEAD"], "")?;
    if ran.succeeded() && ran.text().contains("HEAD") {
        let short: String = ran.text().chars().take(7).collect();
        return Ok(fine("marketplace", format!("git reads it, now at {short}")));
    }
    let said: Vec<String> = ran.stderr.lines().map(plain).filter(|line| !line.is_empty()).collect();
    let said = if said.is_empty() { "git found no HEAD in it".to_owned() } else { said.join(" | ") };
    let auth = output::typed(&here.address.auth());
    let cure = if said.contains("SSL") || said.contains("certificate") {
        "git does not trust the server's certificate: set http.sslCAInfo for it"
    } else if said.contains("Authentication failed") || said.contains("could not read Username") {
        &auth
    } else if said.contains("proxy") {
        "set http.proxy for git, or NO_PROXY"
    } else {
        "what follows `remote:` says what to do; else run it by hand: git ls-remote with GIT_CURL_VERBOSE=1"
    };
    Ok(fault("marketplace", Kind::Failed, said, cure))
}
