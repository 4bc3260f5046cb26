//! Owns the story: publish, look, grant, pull, lapse. Every step checks its result and stops the tour
//! when it is not what was promised.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};

use super::line::{Line, quoted, short};
use super::samples::{SOURCES, Source};
use super::screen::{gap, say};
use super::stage::Stage;

/// The skill that the story is about.
const SKILL: &str = "migration-guard";
/// A file of it that only its owners have.
const PAID_FILE: &str = "skills/migration-guard/scripts/check_migration.py";

/// How each sample is offered: skill, then the options of `admin listing set`.
const OFFERS: &[(&str, &[&str])] = &[
    (SKILL, &["--price", "1900", "--currency", "USD", "--interval", "once", "--category", "databases"]),
    (
        "flaky-test-hunter",
        &["--price", "900", "--currency", "USD", "--interval", "month", "--trial-days", "14"],
    ),
    (
        "release-desk",
        &["--price", "4900", "--currency", "EUR", "--interval", "year", "--category", "delivery"],
    ),
    ("decision-record", &["--price", "500", "--currency", "USD"]),
    ("error-messages", &["--price", "0", "--tag", "writing"]),
];

/// The whole tour; the server is still up at its end.
///
/// # Errors
/// The first step that fails, or whose result is not what it should be.
pub(super) fn give(stage: &Stage, exit: bool) -> anyhow::Result<()> {
    stage
        .screen
        .title("skaas", "one git URL per person: skills they own in full, previews of everything else")?;
    stage.screen.part(1, "Start a server; add a creator and two buyers")?;
    stage.open()?;
    for who in ["ann", "bob", "carol"] {
        stage.admit(who)?;
    }
    stage.screen.part(2, "Ann pushes her skills and puts them on sale")?;
    for source in SOURCES {
        push(stage, source)?;
    }
    for (skill, options) in OFFERS {
        offer(stage, skill, options)?;
    }
    gap()?;
    stage.run("operator", &stage.server_line(&["admin", "listing", "show"]))?;
    stage.screen.shown("five skills on sale, one of them free")?;
    stage.screen.part(3, "Bob looks at his marketplace and at a skill he hasn't bought")?;
    browse(stage)?;
    stage.screen.part(4, "Bob buys the skill and pulls")?;
    let days = ["admin", "grant", "add", "bob", SKILL, "--kind", "purchase", "--until", "365d"];
    stage.run("operator", &stage.server_line(&days))?;
    pull(stage, true)?;
    stage.screen.part(5, "Carol clones the same URL")?;
    clone(stage, "carol", SKILL)?;
    list(stage, "carol")?;
    look(stage, "carol", false)?;
    stage.screen.part(6, "Bob's purchase is revoked, and he pulls again")?;
    stage.run("operator", &stage.server_line(&["admin", "grant", "revoke", "bob", SKILL]))?;
    pull(stage, false)?;
    invite(stage, exit)
}

/// Makes a repository of a sample and pushes it with git.
fn push(stage: &Stage, source: &Source) -> anyhow::Result<()> {
    let folder = stage.path("ann").join(source.name);
    source.write(&folder)?;
    let place = short(&folder);
    let message = format!("{}, first release", source.name);
    for prepare in
        [&["init", "--quiet"][..], &["add", "--all"], &["commit", "--quiet", "--message", &message]]
    {
        let mut arguments = vec!["-C", place.as_str()];
        arguments.extend_from_slice(prepare);
        stage.quietly(&stage.git_line("ann", &arguments))?;
    }
    let url = format!("{}/s/ann/{}.git", stage.url(), source.name);
    stage.run("ann", &stage.git_line("ann", &["-C", &place, "push", &url, "main"]))?;
    gap()?;
    Ok(())
}

fn offer(stage: &Stage, skill: &str, options: &[&str]) -> anyhow::Result<()> {
    let mut arguments = vec!["admin", "listing", "set", skill];
    arguments.extend_from_slice(options);
    arguments.push("--publish");
    stage.run_briefly("operator", &stage.server_line(&arguments))
}

fn browse(stage: &Stage) -> anyhow::Result<()> {
    let folder = clone(stage, "bob", "marketplace")?;
    let marketplace = marketplace_file(&folder)?;
    let plugins = marketplace["plugins"].as_array().context("the marketplace lists no plugins")?;
    let mut table = Vec::new();
    for plugin in plugins {
        let name = plugin["name"].as_str().context("an entry has no name")?;
        let locked = plugin["description"].as_str().is_some_and(|text| text.contains("[NOT PURCHASED"));
        let has = if locked { "locked" } else { "yours" };
        let version = plugin["version"].as_str().context("an entry has no version")?;
        table.push(format!("{name:<20} {version:<24} {has}"));
        ensure!(
            locked == (name != "error-messages"),
            "{name} should be {}",
            if locked { "open" } else { "locked" }
        );
    }
    ensure!(plugins.len() == OFFERS.len(), "{} entries instead of {}", plugins.len(), OFFERS.len());
    stage.screen.answer(&table.join("\n"))?;
    stage.screen.shown("the same five in his marketplace; he already has the free one")?;
    let skill = clone(stage, "bob", SKILL)?;
    list(stage, "bob")?;
    look(stage, "bob", false)?;
    stage.run("bob", &Line::new("cat", &[&short(&skill.join("commands/buy.md"))]))?;
    stage.screen.shown("what his agent reads when he types /buy")?;
    Ok(())
}

/// The marketplace file of a copy.
fn marketplace_file(folder: &Path) -> anyhow::Result<serde_json::Value> {
    let file = folder.join(".claude-plugin/marketplace.json");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))
}

/// What agents call Bob's marketplace.
fn marketplace_name(stage: &Stage) -> anyhow::Result<String> {
    let marketplace = marketplace_file(&stage.path("bob").join("marketplace"))?;
    Ok(marketplace["name"].as_str().context("the marketplace has no name")?.to_owned())
}

/// Lists the files of somebody's copy of the skill.
fn list(stage: &Stage, who: &str) -> anyhow::Result<()> {
    let place = short(&stage.path(who).join(SKILL));
    stage.run(who, &stage.git_line(who, &["-C", &place, "ls-files"]))?;
    Ok(())
}

/// Clones one of a person's own repositories into their folder.
fn clone(stage: &Stage, who: &str, repo: &str) -> anyhow::Result<std::path::PathBuf> {
    let folder = stage.path(who).join(repo);
    let url = address(stage, repo);
    stage.run(who, &stage.git_line(who, &["clone", "--quiet", &url, &short(&folder)]))?;
    Ok(folder)
}

fn address(stage: &Stage, repo: &str) -> String {
    let path = if repo == "marketplace" { repo.to_owned() } else { format!("skills/{repo}") };
    format!("{}/me/{path}.git", stage.url())
}

fn pull(stage: &Stage, full: bool) -> anyhow::Result<()> {
    let folder = stage.path("bob").join(SKILL);
    stage.run("bob", &stage.git_line("bob", &["-C", &short(&folder), "pull"]))?;
    look(stage, "bob", full)
}

/// Makes sure that somebody's copy of the skill is the full one, or the stub, and says which.
fn look(stage: &Stage, who: &str, full: bool) -> anyhow::Result<()> {
    let folder = stage.path(who).join(SKILL);
    let manifest = folder.join("skills").join(SKILL).join("SKILL.md");
    let text =
        fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    let stub = text.contains("PURCHASE REQUIRED]");
    ensure!(
        stub != full && folder.join(PAID_FILE).exists() == full,
        "{} is not what {who} should have now:\n{text}",
        manifest.display()
    );
    stage.screen.shown(&if full {
        format!("the full skill: {} lines of SKILL.md, its references and its scripts", text.lines().count())
    } else {
        "a preview: what it does, what it costs, and commands/buy.md".to_owned()
    })?;
    Ok(())
}

/// What to type next.
fn invite(stage: &Stage, exit: bool) -> anyhow::Result<()> {
    let screen = &stage.screen;
    let more: &Path = &stage.path("try");
    let copy = short(&more.join(SKILL));
    screen.part(
        7,
        if exit {
            "To try it yourself, run the demo without --exit and type"
        } else {
            "Your turn; the server stays up"
        },
    )?;
    screen.remark("be Bob in this shell: his token is in a file, never in a URL")?;
    say(&format!("export GIT_CONFIG_GLOBAL={}", quoted(&stage.git_config("bob").display().to_string())))?;
    gap()?;
    screen.remark("a preview, then the skill, then the preview again")?;
    say(&format!("git clone {} {}", address(stage, SKILL), quoted(&copy)))?;
    say(&stage.server_line(&["admin", "grant", "add", "bob", SKILL, "--kind", "gift"]).to_string())?;
    say(&format!("git -C {} pull", quoted(&copy)))?;
    say(&stage.server_line(&["admin", "grant", "revoke", "bob", SKILL]).to_string())?;
    say(&format!("git -C {} pull", quoted(&copy)))?;
    gap()?;
    screen.remark("the same with an agent: Claude Code, Codex, or any agent that `skills` supports")?;
    let (market, name) = (address(stage, "marketplace"), marketplace_name(stage)?);
    say(&format!("claude plugin marketplace add {market} && claude plugin install {SKILL}@{name}"))?;
    say(&format!("codex plugin marketplace add {market} && codex plugin add {SKILL}@{name}"))?;
    say(&format!("skills add {} -y -a claude-code", address(stage, SKILL)))?;
    gap()?;
    screen.remark("all listings, and everything Bob has access to")?;
    say(&stage.server_line(&["admin", "listing", "show"]).to_string())?;
    say(&stage.server_line(&["admin", "grant", "list", "bob"]).to_string())?;
    if !exit {
        gap()?;
        pages(stage)?;
        gap()?;
        say("Ctrl-C ends the demo.")?;
    }
    Ok(())
}

/// What to try as somebody who is not there yet.
fn pages(stage: &Stage) -> anyhow::Result<()> {
    let screen = &stage.screen;
    let mail = stage.mail_folder()?.display().to_string();
    screen
        .remark(&format!("as a new user: sign up on this page; emails are written to {}", quoted(&mail)))?;
    say(&format!("{}/signup", stage.url()))?;
    let Some(skaas) = command_line() else { return Ok(()) };
    screen.remark("then sign in on this machine from that page; there is no token to copy")?;
    let config = stage.git_config("new").display().to_string();
    say(&format!("export GIT_CONFIG_GLOBAL={}; {skaas} auth --url {}", quoted(&config), stage.url()))?;
    Ok(())
}

/// How to run `skaas` here: the program that was built with this one or, if this one is from an npm package, `npx`.
fn command_line() -> Option<String> {
    let me = std::env::current_exe().ok()?;
    let beside = me.with_file_name("skaas");
    if beside.is_file() {
        return Some(quoted(&beside.display().to_string()));
    }
    let packaged = me.components().any(|part| part.as_os_str() == "node_modules");
    packaged.then(|| "npx skaas".to_owned())
}
