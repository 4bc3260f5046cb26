//! Owns the content that is measured: skills whose text deflates as real text does, the same in every run.
//! Refuses randomness that a second run could not repeat.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::Result;
use rand::{RngCore as _, SeedableRng as _, rngs::StdRng};

const WORDS: &[&str] = &[
    "agent",
    "review",
    "change",
    "test",
    "branch",
    "commit",
    "before",
    "after",
    "the",
    "a",
    "of",
    "and",
    "when",
    "never",
    "always",
    "file",
    "folder",
    "report",
    "error",
    "message",
    "reason",
    "command",
    "run",
    "check",
    "list",
    "every",
    "caller",
    "function",
    "module",
    "type",
    "name",
    "value",
    "default",
    "option",
    "config",
    "server",
    "client",
    "request",
    "answer",
    "token",
    "secret",
    "version",
    "release",
    "publish",
    "migrate",
    "schema",
    "query",
    "index",
    "table",
    "column",
    "row",
    "lock",
    "retry",
    "timeout",
    "limit",
    "measure",
    "profile",
    "memory",
    "thread",
    "queue",
    "event",
    "log",
    "trace",
    "metric",
    "deploy",
    "rollback",
    "backup",
    "restore",
    "verify",
    "compare",
    "summarise",
    "explain",
    "ask",
    "person",
    "first",
    "then",
    "only",
    "with",
    "without",
    "into",
    "from",
    "under",
    "between",
    "one",
    "two",
    "several",
    "small",
    "large",
    "careful",
];

/// Sentences that a numbered generator makes; about a third of their size once deflated.
pub(crate) fn prose(length: usize, seed: u64) -> String {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut text = String::with_capacity(length + 32);
    let mut words_left = 0;
    while text.len() < length {
        let draw = rng.next_u32() as usize;
        if words_left == 0 {
            words_left = 6 + draw % 11;
        }
        let word = WORDS[(draw >> 8) % WORDS.len()];
        text.push_str(word);
        words_left -= 1;
        match (words_left, draw % 13) {
            (0, 0..4) => text.push_str(".\n"),
            (0, _) => text.push_str(". "),
            (_, 0) => write!(text, " `{:x}` ", draw % 65_536).expect("writing to a string does not fail"),
            _ => text.push(' '),
        }
    }
    text.truncate(length);
    text
}

/// Bytes that do not deflate, as those of an image or an archive.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

/// The name of the skill with this number.
pub(crate) fn skill_name(number: usize) -> String {
    let word = |n: usize| WORDS[20 + n % 50];
    format!("{}-{}-{number}", word(number), word(number / 50 + 7))
}

/// Writes `SKILL.md` of about `length` bytes, with a description as long as real ones are.
pub(crate) fn write_skill(folder: &Path, name: &str, seed: u64, length: usize) -> Result<()> {
    fs::create_dir_all(folder)?;
    let described = 110 + usize::try_from(seed % 120)?;
    let description = prose(described, seed).replace(['\n', '`'], " ");
    let body = prose(length, seed.wrapping_add(1));
    let text =
        format!("---\nname: {name}\ndescription: \"{}\"\n---\n\n# {name}\n\n{body}\n", description.trim());
    Ok(fs::write(folder.join("SKILL.md"), text)?)
}

/// A skill of 20 files that come to `length` bytes: text, or with `dense` what does not deflate.
pub(crate) fn write_large_skill(
    folder: &Path,
    name: &str,
    length: usize,
    dense: bool,
    seed: u64,
) -> Result<()> {
    const FILES: usize = 20;
    let each = length / FILES;
    write_skill(folder, name, seed, each.min(10_000))?;
    let below = folder.join(if dense { "assets" } else { "references" });
    fs::create_dir_all(&below)?;
    for n in 1..FILES {
        let seed = seed.wrapping_mul(31).wrapping_add(n as u64);
        if dense {
            fs::write(below.join(format!("{n}.bin")), noise(each, seed))?;
        } else {
            fs::write(below.join(format!("{n}.md")), prose(each, seed))?;
        }
    }
    Ok(())
}

/// A monorepo of the skills with these numbers, each of `files` files and about `bytes` bytes.
pub(crate) fn write_monorepo(
    folder: &Path,
    numbers: impl Iterator<Item = usize>,
    files: usize,
    bytes: usize,
) -> Result<()> {
    for number in numbers {
        let name = skill_name(number);
        let skill = folder.join("skills").join(&name);
        let seed = number as u64 * 1_000;
        let each = bytes / files.max(1);
        write_skill(&skill, &name, seed, each)?;
        for n in 1..files {
            fs::create_dir_all(skill.join("references"))?;
            fs::write(skill.join("references").join(format!("{n}.md")), prose(each, seed + 1 + n as u64))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_text_of_the_length_asked_for() {
        assert_eq!(prose(500, 7), prose(500, 7));
        assert_ne!(prose(500, 7), prose(500, 8));
        assert_eq!(prose(1234, 9).len(), 1234);
    }

    #[test]
    fn no_two_skills_share_a_name() {
        let names: std::collections::HashSet<String> = (0..10_000).map(skill_name).collect();
        assert_eq!(names.len(), 10_000);
    }
}
