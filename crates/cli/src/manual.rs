//! docs/command-line.md, generated from the commands, exit codes, settings and agents themselves.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};

use crate::{
    address::{self, Address},
    agents,
    arguments::Arguments,
    failure::Kind,
    settings::KEYS,
};

const HEAD: &str = "\
<!-- Generated: cargo run -p skaas-cli -- manual > docs/command-line.md -->

# The `skaas` command line

To sign in and add your marketplace to your coding agents, run:

```sh
npx skaas auth --url https://skills.example.com
```

1. Your browser opens. Sign in or create an account.
2. Check that the page shows the same code as your terminal, and approve.
3. Back in the terminal, press Enter to add your marketplace to each agent that was found.

From then on git gets the password for that server from `skaas`, and your agents use git. Over SSH, or with
`--no-browser`, the terminal shows a link that you can open on any device.

In CI, create an API token on your account page and pass it on standard input:

```sh
printf %s \"$TOKEN\" | npx skaas auth --url https://skills.example.com --with-token --yes
```

If something doesn't work, run `skaas doctor`. To undo everything, run `skaas logout`.
";

const WRITTEN: &[(&str, &str)] = &[
    (
        "`~/.config/skaas/hosts.toml`",
        "the servers that this machine is signed in to, what was set up for each, and the token if it is not in a \
         keychain; mode 0600",
    ),
    ("the system keychain", "the token, if there is a keychain"),
    ("`~/.config/skaas/config.toml`", "the settings below"),
    (
        "git's global configuration",
        "`credential.https://HOST.helper`, for this server only: an empty value, so that git skips inherited helpers, \
         and `!skaas git-credential`. Every other line stays as it is, byte for byte",
    ),
    ("`~/.git-credentials`", "only with `--store`: the token, written by git's `store` helper"),
    ("`~/.netrc`", "only with `--netrc`: an entry before all others; mode 0600"),
    (
        "`~/.local/share/skaas/bin`",
        "a copy of the program that git runs, if you started `skaas` with `npx` or from a project's `node_modules`: \
         those folders can be deleted at any time",
    ),
];

/// The environment variables that are read.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("SKAAS_URL", "the server, if `--url` is not given"),
    ("BROWSER", "the program that opens links; also used over SSH"),
    (
        "SSH_CONNECTION, SSH_CLIENT, SSH_TTY, CI, CODESPACES",
        "if any is set, print a link and don't open a browser",
    ),
    (
        "DISPLAY, WAYLAND_DISPLAY, WSL_DISTRO_NAME",
        "on Linux, if none is set, print a link and don't open a browser",
    ),
    (
        "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY",
        "the proxy for requests to the server; git has its own settings too",
    ),
    (
        "SSL_CERT_FILE",
        "on Linux, a PEM file with the CA certificates to trust, for a server with a private CA. For git, set \
         `http.https://HOST.sslCAInfo` as well",
    ),
    ("HOME, XDG_CONFIG_HOME, XDG_DATA_HOME, APPDATA, LOCALAPPDATA", "where files are stored"),
    ("GIT_CONFIG_GLOBAL", "the file with git's global configuration"),
    ("PATH", "where to find git, agents and `skaas` itself"),
    ("COMPUTERNAME", "the name of this device, on Windows"),
    ("NO_COLOR", "print without color"),
];

const PACKAGES: &str = "
## npm packages

`npx skaas` and `npm install --global skaas` run the same program. The package `skaas` is a launcher; the program is in
a package for your platform, pinned by version and SHA-256. Nothing runs at install time.

To build the packages yourself, run `scripts/npm-pack.sh` in the source tree. It builds the program for this machine and
writes the tarballs to `target/npm`. `scripts/npm-pack.sh --help` explains how to add other platforms.
";

/// The complete document.
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
    out.push_str("\n## Global options\n\n");
    table(&mut out, ["option", "meaning"], command.get_arguments().filter(|arg| told(arg)).map(option));
    // Writing into a string does not fail.
    let _ = write!(
        out,
        "\nThe server is the first of these: `--url`, `SKAAS_URL`, `skaas config set url`, the server that this \
         machine is signed in to, <{default}>. If the machine is signed in to several servers, name one; a command \
         never picks one for you.\n\n\
         Results go to standard output and everything else to standard error. Without a terminal, no command asks \
         questions. No command takes a token as an argument, where other users could see it: tokens are read from \
         standard input.\n"
    );
    out.push_str("\n## Exit codes\n\n");
    let done = ("0".to_owned(), "success".to_owned());
    let codes = Kind::ALL.map(|kind| (kind.code().to_string(), kind.meaning().to_owned()));
    table(&mut out, ["code", "meaning"], std::iter::once(done).chain(codes));
    out.push_str(
        "\nWith `--json`, errors are JSON documents on standard error, including invalid arguments: `{\"error\": \
         {\"code\", \"exit_code\", \"what\", \"why\", \"next\"}}`. `skaas doctor` exits with the code of the first \
         problem that it finds.\n",
    );
    out.push_str("\n## Files\n\n");
    table(&mut out, ["file", "content"], owned(WRITTEN, false));
    out.push_str("\n`skaas logout` removes exactly that and revokes the token. Your settings stay.\n");
    out.push_str("\n## Settings\n\n");
    table(&mut out, ["setting", "meaning"], owned(KEYS, true));
    out.push_str("\n## Environment\n\n");
    let named = ENVIRONMENT.iter().map(|(names, what)| (ticked(names), (*what).to_owned()));
    table(&mut out, ["variable", "meaning"], named);
    out.push_str(
        "\n## Agents\n\n`skaas auth` looks for these agents and shows how to add your marketplace:\n\n",
    );
    let server = Address::parse("https://skills.example.com", false).expect("a valid address");
    let marketplace = "https://skills.example.com/me/marketplace.git";
    table(&mut out, ["agent", "command"], agents::lines(&server, marketplace));
    out.push_str(PACKAGES);
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
        let _ = write!(out, " Alias: {}.", aliases.join(", "));
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

/// `-y, --yes` or `--url <URL>` or `<NAME>`, and its meaning.
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
    fn the_manual_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/command-line.md");
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == text(),
            "docs/command-line.md is stale: cargo run -p skaas-cli -- manual > docs/command-line.md"
        );
    }

    #[test]
    fn every_command_and_option_and_exit_code_is_documented() {
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
        assert!(!manual.contains("git-credential <"), "only git calls this");
    }

    /// Searches our source for variables that are read.
    #[test]
    fn every_variable_that_is_read_is_documented() {
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
        assert!(missing.is_empty(), "{missing:?}: read, but not in docs/command-line.md");
    }
}
