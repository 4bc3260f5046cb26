//! Owns docs/command-line.md: what there is to know of the command line, put together from what it is made of.
//! Refuses to know better: commands, options, exit codes, settings and agents are told by those who own them.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};

use crate::{address, agents, arguments::Arguments, failure::Kind, settings::KEYS};

const HEAD: &str = "\
<!-- Written by the program: cargo run -p skaas-cli -- manual > docs/command-line.md -->

# The `skaas` command line

From nothing to a marketplace in an agent:

```sh
npx skaas auth --url https://skills.example.com
```

1. Your browser opens. Sign in, or make an account there.
2. The page shows the code that the terminal shows. Press *Yes, sign it in*.
3. Back in the terminal, press Enter for each agent that was found here.

That is all: git asks `skaas` for the password of that server, and agents ask git. Over ssh, or with
`--no-browser`, the terminal prints the address instead; open it on any device. In CI, where nobody can be
asked, give it a token of the page *Tokens*:

```sh
printf %s \"$TOKEN\" | npx skaas auth --url https://skills.example.com --with-token --yes
```

`skaas doctor` finds out what is wrong when something is, and `skaas logout` takes everything back.
";

const WRITTEN: &[(&str, &str)] = &[
    (
        "`~/.config/skaas/hosts.toml`",
        "which servers this machine is signed in to, what was written for each, and the token where no keychain \
         has it; mode 0600",
    ),
    ("the system's keychain", "the token, where the system has one and the build uses it"),
    ("`~/.config/skaas/config.toml`", "the settings below"),
    (
        "git's global configuration",
        "`credential.https://HOST.helper`, for this host only: an empty line, which keeps inherited helpers \
         out, and `!skaas git-credential`. Every other line stays as it is, byte for byte",
    ),
    ("`~/.git-credentials`", "with `--store` only: the token, as git's own `store` helper keeps it"),
    ("`~/.netrc`", "with `--netrc` only: an entry before all others; mode 0600"),
    (
        "`~/.local/share/skaas/bin`",
        "a copy of the program, where it ran out of a package runner's cache (`npx`), so that git finds it \
         tomorrow",
    ),
];

/// What is read of the environment.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("SKAAS_URL", "the server, where `--url` does not name it"),
    ("BROWSER", "the program that opens pages; it is used over ssh as well"),
    (
        "SSH_CONNECTION, SSH_CLIENT, SSH_TTY, CI, CODESPACES",
        "any of them: no browser is opened, the address is printed",
    ),
    ("DISPLAY, WAYLAND_DISPLAY, WSL_DISTRO_NAME", "on Linux, none of them: the same"),
    (
        "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY",
        "the way to the server; git has settings of its own as well",
    ),
    ("HOME, XDG_CONFIG_HOME, XDG_DATA_HOME, APPDATA, LOCALAPPDATA", "where files are kept"),
    ("GIT_CONFIG_GLOBAL", "which file git's global configuration is"),
    ("PATH", "where git, agents and `skaas` itself are looked for"),
    ("COMPUTERNAME", "what this device is called, on Windows"),
    ("NO_COLOR", "no colour on a terminal"),
];

/// The whole document.
pub(crate) fn text() -> String {
    let mut command = Arguments::command();
    command.build();
    let mut out = HEAD.to_owned();
    out.push_str("\n## Commands\n");
    for sub in shown(&command) {
        let below: Vec<&Command> = shown(sub).collect();
        if below.is_empty() {
            describe(&mut out, sub);
        }
        for leaf in below {
            describe(&mut out, leaf);
        }
    }
    let default = address::DEFAULT;
    out.push_str("\n## Everywhere\n\n");
    table(&mut out, ["option", "meaning"], command.get_arguments().filter(|arg| told(arg)).map(option));
    // Writing into a string does not fail.
    let _ = write!(
        out,
        "\nThe server is what `--url` says, else `SKAAS_URL`, else `skaas config set url`, else the only server \
         that this machine is signed in to, else <{default}>. Results go to standard output, everything else \
         to standard error; nothing is asked where there is no terminal. No command takes a token as an \
         argument: they come by standard input.\n"
    );
    out.push_str("\n## Exit codes\n\n");
    let done = ("0".to_owned(), "done".to_owned());
    let codes = Kind::ALL.map(|kind| (kind.code().to_string(), kind.meaning().to_owned()));
    table(&mut out, ["code", "meaning"], std::iter::once(done).chain(codes));
    out.push_str(
        "\nWith `--json` a failure is a document on standard error: `{\"error\": {\"code\", \"exit_code\", \
         \"what\", \"why\", \"next\"}}`. `skaas doctor` ends with the code of the first fault that it finds.\n",
    );
    out.push_str("\n## What it writes\n\n");
    table(&mut out, ["where", "what"], owned(WRITTEN, false));
    out.push_str("\n`skaas logout` takes back exactly that, and revokes the token on the server.\n");
    out.push_str("\n## Settings\n\n");
    table(&mut out, ["`skaas config set …`", "meaning"], owned(KEYS, true));
    out.push_str("\n## Environment\n\n");
    let named = ENVIRONMENT.iter().map(|(names, what)| (ticked(names), (*what).to_owned()));
    table(&mut out, ["variable", "meaning"], named);
    out.push_str("\n## Agents\n\nEach of these, where it is found here, gets its line:\n\n");
    table(&mut out, ["agent", "line"], agents::lines("https://skills.example.com/u/you/marketplace.git"));
    out
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
}

fn told(arg: &Arg) -> bool {
    !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version")
}

fn describe(out: &mut String, command: &Command) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut command = command.clone();
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    // Writing into a string does not fail.
    let _ = write!(out, "\n### `{name}`\n\n{about}.");
    let aliases: Vec<String> = command.get_all_aliases().map(|alias| format!("`skaas {alias}`")).collect();
    if !aliases.is_empty() {
        let _ = write!(out, " Also {}.", aliases.join(", "));
    }
    let _ = write!(out, "\n\n```sh\n{usage}\n```\n");
    let own: Vec<(String, String)> =
        command.get_arguments().filter(|arg| told(arg) && !arg.is_global_set()).map(option).collect();
    if !own.is_empty() {
        out.push('\n');
        table(out, ["option", "meaning"], own.into_iter());
    }
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let examples: Vec<&str> = examples.lines().skip(1).map(str::trim).collect();
    let _ = write!(out, "\nExamples:\n\n```sh\n{}\n```\n", examples.join("\n"));
}

/// `-y, --yes` or `--url <URL>` or `<NAME>`, and what it means.
fn option(arg: &Arg) -> (String, String) {
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let flags: Vec<String> = short.into_iter().chain(long).collect();
    let mut words = vec![flags.join(", ")];
    if arg.get_action().takes_values() {
        let values = arg.get_value_names().unwrap_or_default();
        words.extend(values.iter().map(|value| format!("<{value}>")));
    }
    let name = words.join(" ");
    let name = name.trim();
    let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let possible = if arg.get_action().takes_values() { arg.get_possible_values() } else { Vec::new() };
    let possible: Vec<&str> = possible.iter().map(clap::builder::PossibleValue::get_name).collect();
    if !possible.is_empty() {
        // Writing into a string does not fail.
        let _ = write!(help, ": {}", possible.join(", "));
    }
    (format!("`{name}`"), help)
}

fn owned(rows: &[(&str, &str)], ticked: bool) -> impl Iterator<Item = (String, String)> {
    let name = move |name: &str| if ticked { format!("`{name}`") } else { name.to_owned() };
    rows.iter().map(move |(left, right)| (name(left), (*right).to_owned()))
}

/// `A, B` as `` `A`, `B` ``.
fn ticked(names: &str) -> String {
    names.split(", ").map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn table(out: &mut String, head: [&str; 2], rows: impl Iterator<Item = (String, String)>) {
    let _ = write!(out, "| {} | {} |\n|---|---|\n", head[0], head[1]);
    for (left, right) in rows {
        let _ = writeln!(out, "| {} | {} |", left.replace('|', "\\|"), right.replace('|', "\\|"));
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn the_manual_is_what_the_program_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/command-line.md");
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == text(),
            "docs/command-line.md is stale: cargo run -p skaas-cli -- manual > docs/command-line.md"
        );
    }

    #[test]
    fn every_command_and_option_and_exit_code_stands_in_it() {
        let manual = text();
        let help = Arguments::command().render_long_help().to_string();
        let codes = help.split("Exit codes: ").nth(1).unwrap().replace('\n', " ");
        for code in codes.trim().trim_end_matches('.').split(';') {
            let (number, meaning) = code.trim().split_once(' ').unwrap();
            assert!(manual.contains(&format!("| {number} | {meaning} |")), "{code}");
        }
        for word in ["skaas token revoke", "skaas config unset", "--with-token", "--insecure", "skaas login"]
        {
            assert!(manual.contains(word), "{word}");
        }
        assert!(!manual.contains("git-credential <"), "what only git calls is not for people");
    }

    /// Reads our own source: a variable that somebody begins to look at has to be told of.
    #[test]
    fn every_variable_that_is_read_is_told_of() {
        fn gather(dir: &Path, into: &mut BTreeSet<String>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    gather(&path, into);
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap();
                for call in ["env::var(\"", "var_os(\"", "from_env(\"", "set(\""] {
                    let names = text.split(call).skip(1).filter_map(|rest| rest.split('"').next());
                    into.extend(
                        names
                            .filter(|n| n.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
                            .map(str::to_owned),
                    );
                }
            }
        }
        let mut read = BTreeSet::new();
        gather(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut read);
        assert!(read.contains("SKAAS_URL") && read.contains("PATH"), "{read:?}");
        read.remove("");
        let told: BTreeSet<&str> = ENVIRONMENT.iter().flat_map(|(names, _)| names.split(", ")).collect();
        let missing: Vec<&String> = read.iter().filter(|name| !told.contains(name.as_str())).collect();
        assert!(missing.is_empty(), "{missing:?} is read, and docs/command-line.md says nothing of it");
    }
}
