//! Owns which coding agents are found here, and the line that adds a marketplace to each. The lines hold no
//! secret: an agent keeps what it is given in the clear.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use serde::Serialize;

use crate::places;

/// What an agent needs before its line works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// Nothing: it asks git, which asks us.
    Nothing,
    /// An entry in `.netrc`: it asks no credential helper.
    Netrc,
}

struct Known {
    name: &'static str,
    programs: &'static [&'static str],
    /// Its folder in the person's home.
    folders: &'static [&'static str],
    /// Its words with `{marketplace}` or `{skill}` in them.
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

/// An agent found here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Agent {
    pub(crate) name: &'static str,
    /// What to run, word by word.
    pub(crate) command: Vec<String>,
    /// Whether that is the whole line: else SKILL in it stands for the name of a skill.
    pub(crate) complete: bool,
    /// What to do first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first: Option<&'static str>,
    #[serde(skip)]
    program: Option<PathBuf>,
}

impl Agent {
    /// The line as a person types it.
    pub(crate) fn line(&self) -> String {
        self.command.join(" ")
    }

    /// Whether the line can be run right now.
    pub(crate) fn runnable(&self) -> bool {
        self.complete && self.program.is_some()
    }

    /// Runs the line; what it prints goes to standard error, since our own result is on standard output.
    pub(crate) fn add(&self) -> bool {
        let Some(program) = &self.program else { return false };
        let mut command = Command::new(program);
        command.args(&self.command[1..]).stdin(Stdio::null()).env("GIT_TERMINAL_PROMPT", "0");
        command.stdout(Stdio::from(std::io::stderr()));
        command.status().is_ok_and(|status| status.success())
    }
}

/// Every agent that is known, with its line and what goes before it.
pub(crate) fn lines(marketplace: &str) -> impl Iterator<Item = (String, String)> {
    KNOWN.iter().map(|known| {
        let agent = known.agent(marketplace, None, false);
        let first = agent.first.map(|first| format!(", after `{first}`")).unwrap_or_default();
        (agent.name.to_owned(), format!("`{}`{first}", agent.line()))
    })
}

/// The agents found on this machine.
pub(crate) fn found(marketplace: &str, has_netrc: bool) -> Vec<Agent> {
    let home = places::home().ok();
    let there = |known: &Known| {
        known.programs.iter().find_map(|name| places::on_path(name)).map(Some).or_else(|| {
            let home = home.as_ref()?;
            known.folders.iter().any(|folder| home.join(folder).is_dir()).then_some(None)
        })
    };
    KNOWN.iter().filter_map(|known| Some(known.agent(marketplace, there(known)?, has_netrc))).collect()
}

impl Known {
    fn agent(&self, marketplace: &str, program: Option<PathBuf>, has_netrc: bool) -> Agent {
        let skill = skill_address(marketplace);
        let words = self.line.iter().map(|word| match *word {
            "{marketplace}" => marketplace.to_owned(),
            "{skill}" => skill.clone(),
            word => word.to_owned(),
        });
        let first = (self.needs == Needs::Netrc && !has_netrc).then_some("skaas auth --netrc");
        Agent {
            name: self.name,
            command: words.collect(),
            complete: !self.line.contains(&"{skill}"),
            first,
            program,
        }
    }
}

/// `https://host/u/alice/skills/SKILL.git`, beside the marketplace.
fn skill_address(marketplace: &str) -> String {
    let base = marketplace.trim_end_matches(".git").trim_end_matches("marketplace");
    format!("{base}skills/SKILL.git")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_agent_gets_the_line_that_it_understands() {
        let lines: Vec<String> = KNOWN
            .iter()
            .map(|known| known.agent("https://skills.example.com/u/alice/marketplace.git", None, false))
            .map(|agent| format!("{}: {} ({})", agent.name, agent.line(), agent.first.unwrap_or("as it is")))
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
