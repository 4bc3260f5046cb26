//! The coding agents found on this machine, and the commands that add a marketplace to each. The commands contain no
//! secrets, since agents store what they are given unencrypted.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use serde::Serialize;

use crate::{address::Address, output, places, shell::quoted};

/// What an agent needs before its command works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// Nothing: it uses git, which asks us.
    Nothing,
    /// An entry in `.netrc`: it does not use git's credential helpers.
    Netrc,
}

struct Known {
    name: &'static str,
    programs: &'static [&'static str],
    /// Its folders in the home folder.
    folders: &'static [&'static str],
    /// The words of its command, with `{marketplace}` or `{skill}` in them.
    line: &'static [&'static str],
    needs: Needs,
}

const KNOWN: &[Known] = &[
    Known {
        name: "Claude Code",
        programs: &["claude"],
        folders: &[".claude"],
        line: &["claude", "plugin", "marketplace", "add", "{marketplace}"],
        needs: Needs::Nothing,
    },
    Known {
        name: "Codex",
        programs: &["codex"],
        folders: &[".codex"],
        line: &["codex", "plugin", "marketplace", "add", "{marketplace}"],
        needs: Needs::Nothing,
    },
    Known {
        name: "Cursor",
        programs: &["cursor", "cursor-agent"],
        folders: &[".cursor"],
        line: &["npx", "skills", "add", "{skill}", "-a", "cursor"],
        needs: Needs::Nothing,
    },
    Known {
        name: "Gemini CLI",
        programs: &["gemini"],
        folders: &[".gemini"],
        line: &["gemini", "extensions", "install", "{skill}", "--consent"],
        needs: Needs::Netrc,
    },
    Known {
        name: "Amp",
        programs: &["amp"],
        folders: &[".config/amp"],
        line: &["amp", "skill", "add", "{skill}", "--global"],
        needs: Needs::Nothing,
    },
];

/// An agent found on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Agent {
    pub(crate) name: &'static str,
    /// The words of the command.
    pub(crate) command: Vec<String>,
    /// Whether the command works as it is. If not, SKILL in it stands for the name of a skill.
    pub(crate) complete: bool,
    /// The command to run before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first: Option<String>,
    #[serde(skip)]
    program: Option<PathBuf>,
}

impl Agent {
    /// The command, ready to paste into a shell.
    pub(crate) fn line(&self) -> String {
        self.command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }

    /// Whether the command can be run now.
    pub(crate) fn runnable(&self) -> bool {
        self.complete && self.first.is_none() && self.program.is_some()
    }

    /// Runs the command. Its output goes to standard error, since standard output is for our result.
    pub(crate) fn add(&self) -> bool {
        let Some(program) = &self.program else { return false };
        let mut command = Command::new(program);
        command.args(&self.command[1..]).stdin(Stdio::null()).env("GIT_TERMINAL_PROMPT", "0");
        command.stdout(Stdio::from(std::io::stderr()));
        command.status().is_ok_and(|status| status.success())
    }
}

/// Every known agent, with the commands for a marketplace, for the manual.
pub(crate) fn lines(server: &Address, marketplace: &str) -> impl Iterator<Item = (String, String)> {
    KNOWN.iter().map(|known| {
        let agent = known.agent(server, marketplace, None, false);
        let first = known.first(server).map(|first| format!("`{first}`, then ")).unwrap_or_default();
        (agent.name.to_owned(), format!("{first}`{}`", agent.line()))
    })
}

/// The agents found on this machine.
pub(crate) fn found(server: &Address, marketplace: &str, has_netrc: bool) -> Vec<Agent> {
    let home = places::home().ok();
    let there = |known: &Known| {
        known.programs.iter().find_map(|name| places::on_path(name)).map(Some).or_else(|| {
            let home = home.as_ref()?;
            known.folders.iter().any(|folder| home.join(folder).is_dir()).then_some(None)
        })
    };
    KNOWN
        .iter()
        .filter_map(|known| Some(known.agent(server, marketplace, there(known)?, has_netrc)))
        .collect()
}

impl Known {
    fn agent(&self, server: &Address, marketplace: &str, program: Option<PathBuf>, has_netrc: bool) -> Agent {
        let skill = skill_address(marketplace);
        let words = self.line.iter().map(|word| match *word {
            "{marketplace}" => marketplace.to_owned(),
            "{skill}" => skill.clone(),
            word => word.to_owned(),
        });
        Agent {
            name: self.name,
            command: words.collect(),
            complete: !self.line.contains(&"{skill}"),
            first: self.first(server).filter(|_| !has_netrc).map(|first| output::typed(&first)),
            program,
        }
    }

    /// The command that this agent needs first, unless it has been run.
    fn first(&self, server: &Address) -> Option<String> {
        (self.needs == Needs::Netrc).then(|| format!("{} --netrc", server.auth()))
    }
}

/// `https://host/me/skills/SKILL.git`, next to the marketplace.
fn skill_address(marketplace: &str) -> String {
    let base = marketplace.trim_end_matches(".git").trim_end_matches("marketplace");
    format!("{base}skills/SKILL.git")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_agent_gets_the_line_that_it_understands() {
        let server = Address::parse("https://skills.example.com", false).unwrap();
        let lines: Vec<String> = lines(&server, "https://skills.example.com/me/marketplace.git")
            .map(|(name, line)| format!("{name}: {line}"))
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_line_is_quoted_for_the_shell() {
        let server = Address::parse("https://skills.example.com", false).unwrap();
        let agent = KNOWN[0].agent(&server, "https://skills.example.com/$(id).git", None, false);
        assert_eq!(agent.line(), "claude plugin marketplace add 'https://skills.example.com/$(id).git'");
    }
}
