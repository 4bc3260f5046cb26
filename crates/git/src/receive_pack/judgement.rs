//! Which ref changes are allowed, before any object is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use gix_hash::ObjectId;

use super::RefCommand;

/// Yes, or a reason fit for git's `! [remote rejected] main -> main (reason)`.
pub type Verdict = Result<(), String>;

/// What [`judge`] holds a push against.
#[derive(Debug, Clone, Copy)]
pub struct RefRules<'a> {
    /// The refs as they are now, full names.
    pub refs: &'a [(String, ObjectId)],
    /// The branch that releases are cut from; it cannot be deleted.
    pub default_branch: Option<&'a str>,
}

/// A verdict for each command, in their order.
///
/// Checked here: the name (branches and tags, `git check-ref-format`), each ref named once, the
/// old value, no name inside another one, the default branch kept. The caller compares once more
/// when it swaps the refs: the old value may change in between.
pub fn judge(commands: &[RefCommand], rules: RefRules<'_>) -> Vec<Verdict> {
    let now: BTreeMap<&str, ObjectId> = rules.refs.iter().map(|(name, id)| (name.as_str(), *id)).collect();
    let names = names_afterwards(commands, &now);
    let mut seen = BTreeSet::new();
    commands
        .iter()
        .map(|command| {
            if !seen.insert(command.name.as_str()) {
                return Err("named twice in one push".to_owned());
            }
            judge_one(command, &now, &names, rules.default_branch)
        })
        .collect()
}

fn names_afterwards<'a>(commands: &'a [RefCommand], now: &BTreeMap<&'a str, ObjectId>) -> BTreeSet<&'a str> {
    let mut names: BTreeSet<&str> = now.keys().copied().collect();
    for command in commands {
        if command.is_delete() {
            names.remove(command.name.as_str());
        } else {
            names.insert(command.name.as_str());
        }
    }
    names
}

fn judge_one(
    command: &RefCommand,
    now: &BTreeMap<&str, ObjectId>,
    names: &BTreeSet<&str>,
    default_branch: Option<&str>,
) -> Verdict {
    let name = command.name.as_str();
    if !valid_ref_name(name) {
        return Err("only branches and tags with a valid name can be pushed".to_owned());
    }
    match now.get(name) {
        Some(current) if *current != command.old => return Err("stale info".to_owned()),
        None if command.is_delete() => return Err("no such ref".to_owned()),
        None if !command.old.is_null() => return Err("stale info".to_owned()),
        _ => {}
    }
    if command.is_delete() {
        if default_branch == Some(name) {
            return Err("the branch that releases are cut from cannot be deleted".to_owned());
        }
        return Ok(());
    }
    match name_in_the_way(name, names) {
        Some(other) => Err(format!("its name does not go together with {other}")),
        None => Ok(()),
    }
}

/// git keeps refs as paths, so that `a` and `a/b` cannot both exist in a clone.
fn name_in_the_way<'a>(name: &str, names: &BTreeSet<&'a str>) -> Option<&'a str> {
    let below = format!("{name}/");
    let from_there = (Bound::Included(below.as_str()), Bound::Unbounded);
    let child = names.range::<str, _>(from_there).next().filter(|other| other.starts_with(&below));
    let parent = || name.match_indices('/').find_map(|(at, _)| names.get::<str>(&name[..at]));
    child.or_else(parent).copied()
}

/// Adds a second round of verdicts to the first: a command passes when it passes both.
pub fn add_verdicts(first: &mut [Verdict], second: Vec<Verdict>) {
    for (verdict, other) in first.iter_mut().zip(second) {
        if verdict.is_ok() {
            *verdict = other;
        }
    }
}

/// With the client's wish for all or nothing: when one verdict is a refusal, all become one.
pub fn settle_atomic(verdicts: &mut [Verdict]) {
    if verdicts.iter().all(Result::is_ok) {
        return;
    }
    for verdict in verdicts.iter_mut().filter(|verdict| verdict.is_ok()) {
        *verdict = Err("atomic push failed: another ref was refused".to_owned());
    }
}

/// Whether `name` is a branch or tag by the rules of `git check-ref-format`, at most 512 bytes.
pub fn valid_ref_name(name: &str) -> bool {
    let Some(short) = name.strip_prefix("refs/heads/").or_else(|| name.strip_prefix("refs/tags/")) else {
        return false;
    };
    name.len() <= 512
        && short != "HEAD"
        && !short.starts_with('-')
        && !name.ends_with('.')
        && !name.contains("..")
        && !name.contains("@{")
        && name.split('/').all(valid_component)
}

fn valid_component(part: &str) -> bool {
    // Extension compared regardless of case: a lock file on a case-folding file system.
    let lock = part.len() >= 5 && part.as_bytes()[part.len() - 5..].eq_ignore_ascii_case(b".lock");
    !part.is_empty()
        && !part.starts_with('.')
        && !lock
        && !part.chars().any(|c| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn id(digit: char) -> ObjectId {
        ObjectId::from_hex(digit.to_string().repeat(40).as_bytes()).unwrap()
    }

    fn command(name: &str, old: char, new: char) -> RefCommand {
        RefCommand { name: name.to_owned(), old: id(old), new: id(new) }
    }

    fn verdicts(commands: &[RefCommand]) -> Vec<Verdict> {
        let refs = [("refs/heads/main".to_owned(), id('1')), ("refs/heads/topic/one".to_owned(), id('2'))];
        judge(commands, RefRules { refs: &refs, default_branch: Some("refs/heads/main") })
    }

    #[test]
    fn a_matching_old_value_is_needed() {
        assert_eq!(
            verdicts(&[
                command("refs/heads/main", '1', '3'),
                command("refs/heads/topic/one", '1', '3'),
                command("refs/heads/new", '1', '3'),
                command("refs/heads/newer", '0', '3'),
            ]),
            [Ok(()), Err("stale info".into()), Err("stale info".into()), Ok(())]
        );
    }

    #[test]
    fn creating_what_exists_is_stale() {
        assert_eq!(verdicts(&[command("refs/heads/main", '0', '3')]), [Err("stale info".into())]);
    }

    #[test]
    fn the_default_branch_stays() {
        let answer = verdicts(&[
            command("refs/heads/main", '1', '0'),
            command("refs/heads/topic/one", '2', '0'),
            command("refs/heads/none", '0', '0'),
        ]);
        assert!(answer[0].is_err() && answer[1].is_ok() && answer[2].is_err());
    }

    #[test]
    fn a_name_inside_another_is_refused() {
        assert!(verdicts(&[command("refs/heads/topic", '0', '3')])[0].is_err());
        assert!(verdicts(&[command("refs/heads/main/x", '0', '3')])[0].is_err());
        let both = [command("refs/heads/topic/one", '2', '0'), command("refs/heads/topic", '0', '3')];
        assert_eq!(verdicts(&both), [Ok(()), Ok(())]);
    }

    #[test]
    fn the_same_ref_twice_is_refused() {
        let twice = [command("refs/heads/a", '0', '3'), command("refs/heads/a", '0', '4')];
        let answer = verdicts(&twice);
        assert!(answer[0].is_ok() && answer[1].is_err());
    }

    #[test]
    fn one_refusal_fails_an_atomic_push() {
        let mut list = vec![Ok(()), Err("stale info".to_owned()), Ok(())];
        settle_atomic(&mut list);
        assert!(list.iter().all(Result::is_err));
        assert_eq!(list[1], Err("stale info".to_owned()));
        let mut fine = vec![Ok(()), Ok(())];
        settle_atomic(&mut fine);
        assert!(fine.iter().all(Result::is_ok));
    }

    #[test]
    fn only_branches_and_tags_are_refs() {
        for name in ["refs/heads/main", "refs/tags/v1.2.3", "refs/heads/feat/ä", "refs/heads/@"] {
            assert!(valid_ref_name(name), "{name}");
        }
        for name in [
            "HEAD",
            "main",
            "refs/heads/",
            "refs/heads",
            "refs/notes/x",
            "refs/pull/1/head",
            "refs/heads/../x",
            "refs/heads/a..b",
            "refs/heads/.a",
            "refs/heads/a/.b",
            "refs/heads/a.lock",
            "refs/heads/a.LOCK/b",
            "refs/heads/a.",
            "refs/heads/a b",
            "refs/heads/a~1",
            "refs/heads/a^",
            "refs/heads/a:b",
            "refs/heads/a?",
            "refs/heads/*",
            "refs/heads/[a",
            "refs/heads/a\\b",
            "refs/heads/a//b",
            "refs/heads/a/",
            "refs/heads/@{1}",
            "refs/heads/-x",
            "refs/heads/HEAD",
            "refs/heads/\u{7f}",
            "/refs/heads/a",
        ] {
            assert!(!valid_ref_name(name), "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_valid_here_is_valid_for_git(short in "[a-c./@{~^:?*\\[ -]{1,8}") {
            let name = format!("refs/heads/{short}");
            if valid_ref_name(&name) {
                let status = Command::new("git").args(["check-ref-format", &name]).status().unwrap();
                prop_assert!(status.success(), "{}", name);
            }
        }
    }
}
