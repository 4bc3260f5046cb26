//! `skaas doctor`: does what an agent does, without prompts, and reports each problem with its fix. It changes nothing:
//! git never gets a password that it would erase elsewhere after a refusal.

use serde::Serialize;
use skaas_api::Secret;

use crate::{
    Here,
    account::Account,
    clock,
    failure::{Failure, Kind, Result},
    git::{self, helper},
    hosts::{Host, Hosts},
    output::{self, bad, good, plain},
    remote::{Answer, Remote},
    trouble,
};

/// How far the clocks may differ before expiry times become confusing.
const CLOCK_SLACK_S: i64 = 300;

/// The result of one check, as reported and as it ends the command.
#[derive(Debug, Serialize)]
struct Finding {
    #[serde(flatten)]
    report: skaas_api::Finding,
    /// Its exit code is ours if this is the first problem.
    #[serde(skip)]
    kind: Kind,
}

fn fine(what: &'static str, found: impl Into<String>) -> Finding {
    Finding { report: skaas_api::Finding::fine(what, found), kind: Kind::Failed }
}

fn fault(what: &'static str, kind: Kind, found: impl Into<String>, cure: impl Into<String>) -> Finding {
    Finding { report: skaas_api::Finding::fault(what, found, cure), kind }
}

fn from_failure(what: &'static str, failure: &Failure) -> Finding {
    let cure = failure.next.clone().filter(|next| !next.contains("skaas doctor"));
    let cure = cure.unwrap_or_else(|| {
        "check the address and your network connection, then run this command again".into()
    });
    fault(what, failure.kind, failure.to_string(), cure)
}

/// Runs the checks, reports them, and fails with the exit code of the first problem.
pub(crate) async fn run(here: &Here) -> Result<()> {
    let findings = look(here).await?;
    if here.json {
        output::json(&findings);
    } else {
        for Finding { report: finding, .. } in &findings {
            let mark = if finding.ok { good("ok   ") } else { bad("error") };
            output::line(&format!("{mark}  {:<12} {}", finding.what, finding.found));
            if let Some(cure) = &finding.cure {
                output::line(&format!("       {:<12} {}", "->", output::typed(cure)));
            }
        }
    }
    let faults: Vec<&Finding> = findings.iter().filter(|finding| !finding.report.ok).collect();
    match faults.first() {
        None => Ok(()),
        Some(first) => Err(Failure::new(
            first.kind,
            match faults.len() {
                1 => "found 1 problem".to_owned(),
                n => format!("found {n} problems"),
            },
        )
        .why(format!("{}: {}", first.report.what, first.report.found))
        .next(first.report.cure.clone().unwrap_or_default())),
    }
}

async fn look(here: &Here) -> Result<Vec<Finding>> {
    let mut findings =
        vec![fine("server", format!("{} (from {})", here.address, here.named_by)), git_itself()];
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
    if !findings.iter().all(|Finding { report, .. }| report.ok || report.what == "clock") {
        return Ok(findings);
    }
    let hosts = Hosts::load()?;
    let Some(host) = hosts.get(&here.address) else {
        findings.push(fault("signed in", Kind::NotSignedIn, "not signed in", here.address.auth()));
        return Ok(findings);
    };
    let Some(token) = host.token(&here.address) else {
        let found = "the token is missing from where it was stored";
        findings.push(fault("signed in", Kind::NotSignedIn, found, here.address.auth()));
        return Ok(findings);
    };
    let account = match remote.account(&token).await {
        Ok(account) => account,
        Err(failure) => {
            findings.push(from_failure("signed in", &failure));
            return Ok(findings);
        }
    };
    findings.push(identity(here, host, &account));
    findings.push(rewritten(&account.marketplace)?);
    let answered = who_answers(here, host, &token)?;
    let ours = answered.report.ok;
    findings.push(answered);
    if ours {
        findings.push(read_like_an_agent(here, &account.marketplace)?);
    }
    Ok(findings)
}

fn git_itself() -> Finding {
    match git::run(&["--version"], "") {
        Ok(ran) if ran.succeeded() => fine("git", ran.text().trim_start_matches("git version ").to_owned()),
        Ok(ran) => fault("git", Kind::Failed, plain(&ran.stderr), "install git 2.20 or later"),
        Err(failure) => from_failure("git", &failure),
    }
}

/// Checks the first step of every git operation: a request without a password, answered by a challenge.
fn anonymous(remote: &Remote, answer: &Answer) -> Finding {
    let challenged =
        answer.header("www-authenticate").is_some_and(|text| text.to_lowercase().contains("basic"));
    match answer.status.as_u16() {
        401 if challenged => fine("reachable", "it asks for a password, as expected"),
        401 => fault(
            "reachable",
            Kind::Network,
            "something between this machine and the server requires its own sign-in",
            "use another network, or have the address of the server allowed",
        ),
        407 => fault(
            "reachable",
            Kind::Network,
            "the proxy requires a username and password",
            "add them to the proxy's address, or add the server to NO_PROXY",
        ),
        404 => from_failure("reachable", &remote.foreign("there is no marketplace at that address")),
        200..=299 => from_failure(
            "reachable",
            &remote.foreign("it serves a marketplace without asking for a password"),
        ),
        _ => from_failure("reachable", &remote.refusal(answer)),
    }
}

fn clocks(answer: &Answer) -> Option<Finding> {
    let there = answer.date()?;
    let ahead = clock::now().as_second() - there.as_second();
    if ahead.abs() <= CLOCK_SLACK_S {
        return Some(fine("clock", "matches the server"));
    }
    let way = if ahead > 0 { "ahead of" } else { "behind" };
    let found = format!("this machine is {} minutes {way} the server", ahead.abs() / 60);
    Some(fault("clock", Kind::Failed, found, "set the clock; certificates and expiry dates depend on it"))
}

fn identity(here: &Here, host: &Host, account: &Account) -> Finding {
    let username = &account.username;
    if host.username == *username {
        let may = account.me.token.as_ref().map_or_else(|| "full".to_owned(), |token| plain(&token.scopes));
        fine("signed in", format!("as {username}, with {}… ({may})", host.prefix))
    } else {
        let found = format!("git signs in as {}, but the token belongs to {username}", host.username);
        fault("signed in", Kind::Failed, found, here.address.auth())
    }
}

/// Checks that git does not rewrite the address.
fn rewritten(marketplace: &str) -> Result<Finding> {
    let ran = git::run(&["ls-remote", "--get-url", marketplace], "")?;
    let really = ran.text();
    if really == marketplace {
        return Ok(fine("address", marketplace));
    }
    let found = format!("git rewrites {marketplace} to {}", plain(&really));
    Ok(fault(
        "address",
        Kind::Failed,
        found,
        "remove that `insteadOf` setting; to find it, run: git config --show-origin --get-regexp insteadof",
    ))
}

/// Checks whose password git would send. Nothing is sent.
fn who_answers(here: &Here, host: &Host, token: &Secret) -> Result<Finding> {
    let attributes = format!("protocol={}\nhost={}\n\n", here.address.scheme(), here.address.host_and_port());
    let ran = git::run(&["credential", "fill"], &attributes)?;
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
    let cure = here.address.auth();
    match (value("username="), value("password=")) {
        (Some(username), Some(password)) if password == token.reveal() && username == host.username => {
            Ok(fine("credentials", format!("git gets the token of {username}")))
        }
        (Some(username), Some(password)) if password == token.reveal() => {
            let found = format!("git sends the username {}, not {}", plain(&username), host.username);
            let cure = format!(
                "remove that username for {}; to find it, run: git config --show-origin --get-regexp \
                 'credential.*username'",
                here.address
            );
            Ok(fault("credentials", Kind::Failed, found, cure))
        }
        (_, Some(_)) => {
            let ours = host.helper.as_deref().unwrap_or_default();
            let others: Vec<String> = helper::considered()?
                .into_iter()
                .filter(|(entry, _)| !entry.ends_with(ours) && !entry.ends_with("= "))
                .map(|(entry, file)| format!("{} in {}", plain(&entry), plain(&file)))
                .collect();
            let found = format!("another credential helper answers first: {}", others.join("; "));
            Ok(fault("credentials", Kind::Failed, found, format!("{cure} (or remove the other entry)")))
        }
        _ => Ok(fault("credentials", Kind::Failed, "git gets no password for this server", cure)),
    }
}

/// Reads the marketplace with git, as an agent does.
fn read_like_an_agent(here: &Here, marketplace: &str) -> Result<Finding> {
    let ran = git::run(&["ls-remote", "--", marketplace, "HEAD"], "")?;
    if ran.succeeded() && ran.text().contains("HEAD") {
        let short: String = ran.text().chars().take(7).collect();
        return Ok(fine("marketplace", format!("git can read it; it is at {short}")));
    }
    let said: Vec<String> = ran.stderr.lines().map(plain).filter(|line| !line.is_empty()).collect();
    let said = if said.is_empty() { "git found no commits in it".to_owned() } else { said.join(" | ") };
    let auth = output::typed(&here.address.auth());
    let trust = trouble::for_git(&here.address);
    let cure = if said.contains("SSL") || said.contains("certificate") {
        &trust
    } else if said.contains("Authentication failed") || said.contains("could not read Username") {
        &auth
    } else if said.contains("proxy") {
        "fix git's proxy: set http.proxy, or add the server to NO_PROXY"
    } else {
        "follow the line that starts with `remote:`; if there is none, run git ls-remote with GIT_CURL_VERBOSE=1"
    };
    Ok(fault("marketplace", Kind::Failed, said, cure))
}
