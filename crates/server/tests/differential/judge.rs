//! What was sent, held against what its receiver may have.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;
use skaas_testkit::app::{Copy, Exchange, TestApp};
use skaas_testkit::model::{Line, Sight, Timeline, World};
use skaas_testkit::pack::{self, Kind, Object};

use crate::visits::repo_of;

/// How every line of paid content begins.
const MARK: &str = "only-those-who-have-";

/// A release by skill and version.
type Which = (String, String);

/// What a checkout of a skill shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The stub's description and its price.
    Stub(String, Option<String>),
    /// The version, if every file is of it.
    Whole(String),
    /// Neither.
    Broken(String),
}

impl Shown {
    /// What a world would show; `None` is nothing.
    pub(crate) fn expected(world: &World, user: &str, name: &str) -> Option<Self> {
        match world.sight(user, name) {
            Sight::Nothing => None,
            Sight::Whole(at) => Some(Self::Whole(world.skills[name].releases[at].version.clone())),
            Sight::Stub(words) => {
                let skill = &world.skills[name];
                let for_sale = words.contains("PURCHASE");
                let price = skill.price.filter(|_| for_sale).map(|cents| match cents {
                    0 => "free".to_owned(),
                    cents if cents % 100 == 0 => format!("${}", cents / 100),
                    cents => format!("${}.{:02}", cents / 100, cents % 100),
                });
                Some(Self::Stub(format!("{} {words}", skill.description), price))
            }
        }
    }
}

/// Reads a checkout as a client would, and every byte of the files that are known.
pub(crate) fn shown_of(name: &str, files: &BTreeMap<String, String>) -> Shown {
    let plugin: Value = serde_json::from_str(&files[".claude-plugin/plugin.json"]).unwrap();
    let (version, said) = (plugin["version"].as_str().unwrap(), plugin["description"].as_str().unwrap());
    if files.contains_key("commands/buy.md") {
        if !version.starts_with("0.0.0-stub.") || files.values().any(|text| text.contains(MARK)) {
            return Shown::Broken(format!("{files:#?}"));
        }
        let price = files["README.md"].lines().find_map(|line| line.strip_prefix("Price: "));
        return Shown::Stub(said.to_owned(), price.map(str::to_owned));
    }
    let mark = format!("{MARK}{name}-{version}-read-this");
    let folder = format!("skills/{name}");
    let expected = [
        (format!("{folder}/scripts/run.sh"), format!("#!/bin/sh\necho {mark}\n")),
        (format!("{folder}/references/notes.md"), format!("# Notes\n\n{mark} notes\n")),
        (format!("{folder}/scripts/same.sh"), format!("#!/bin/sh\n# {name}\n")),
        (format!("{folder}/references/licence.md"), "Do what you like.\n".to_owned()),
    ];
    let whole = expected.iter().all(|(path, text)| files.get(path) == Some(text))
        && files[&format!("{folder}/SKILL.md")].contains(&mark);
    if whole { Shown::Whole(version.to_owned()) } else { Shown::Broken(format!("{files:#?}")) }
}

/// Reads a marketplace file; `None` if it is none.
pub(crate) fn marketplace_of(text: &str) -> Option<BTreeMap<String, Line>> {
    let whole: Value = serde_json::from_str(text).ok()?;
    let line = |entry: &Value| {
        let word = |key: &str| entry[key].as_str().map(str::to_owned);
        let (description, version) = (word("description")?, word("version")?);
        let locked = version.starts_with("0.0.0-stub.");
        let line = Line { version: (!locked).then_some(version), description, category: word("category") };
        Some((word("name")?, line))
    };
    whole["plugins"].as_array()?.iter().map(line).collect()
}

/// Everything ever released, and everything ever sent.
#[derive(Default)]
pub(crate) struct Judge {
    /// Which releases an object belongs to.
    owners: HashMap<String, BTreeSet<Which>>,
    /// Which release has this tree.
    trees: HashMap<String, Which>,
    /// Every object of every pack.
    universe: HashMap<String, Object>,
    pub(crate) packs: usize,
    pub(crate) objects: usize,
    pub(crate) differences: usize,
}

impl Judge {
    /// Learns a release from its creator's own copy.
    pub(crate) fn learn(&mut self, skill: &str, version: &str, copy: &Copy<'_>) {
        let which = (skill.to_owned(), version.to_owned());
        let tag = format!("v{version}");
        let listed = copy.git(&["rev-list", "--objects", &tag]).expect_success();
        for line in listed.lines() {
            let id = line.split(' ').next().unwrap().to_owned();
            self.owners.entry(id).or_default().insert(which.clone());
        }
        let tree = copy.git(&["rev-parse", &format!("{tag}^{{tree}}")]).expect_success();
        self.trees.insert(tree.trim().to_owned(), which);
    }

    /// Ids to lie with: of all releases, and of everything that anybody was sent.
    pub(crate) fn everything(&self) -> Vec<String> {
        let all: BTreeSet<String> = self.owners.keys().chain(self.universe.keys()).cloned().collect();
        all.into_iter().collect()
    }

    /// Judges the pack of an exchange, if there is one.
    pub(crate) fn judge(&mut self, exchange: &Exchange, timeline: &Timeline) {
        let (Some(repo), Some(user), 200) = (repo_of(exchange), &exchange.username, exchange.status) else {
            return;
        };
        let answered =
            pack::answered(&exchange.answer).unwrap_or_else(|error| panic!("{error}: {exchange:?}"));
        let Some(bytes) = answered.pack else { return };
        let decoded = pack::decode(&bytes, |id| self.universe.get(id).cloned())
            .unwrap_or_else(|error| panic!("{user}, {repo}: {error}\n{}", asked(exchange)));
        self.packs += 1;
        self.objects += decoded.objects.len();
        self.differences += decoded.outside.len();
        self.universe.extend(decoded.objects.iter().map(|(id, object)| (id.clone(), object.clone())));
        let worlds = timeline.between(exchange.from, exchange.to);
        let past = timeline.between(0, exchange.to);
        let may = |which: &Which| worlds.iter().any(|world| world.permits(user, &which.0, &which.1));
        for id in decoded.objects.keys().chain(&decoded.outside) {
            let owners = self.owners_of(id);
            let paid = !owners.is_empty();
            assert!(
                !paid || owners.iter().any(may),
                "{user} was sent or told {id} of {owners:?} in {repo}; node {}, worlds {}..={}\n{}",
                exchange.node,
                exchange.from,
                exchange.to,
                asked(exchange)
            );
        }
        for (id, object) in decoded.objects.iter().filter(|(_, object)| object.kind == Kind::Blob) {
            let text = String::from_utf8_lossy(&object.data);
            let learned = !self.owners_of(id).is_empty();
            assert!(learned || !text.contains(MARK), "{user} was sent content that nobody released: {text}");
            if repo == "marketplace" && text.contains("\"plugins\"") {
                let lines = marketplace_of(&text).unwrap_or_else(|| panic!("{text}"));
                let own = past.iter().any(|world| world.marketplace(user) == lines);
                assert!(
                    own,
                    "{user} was sent a marketplace that was never theirs: {lines:#?}\n{}",
                    asked(exchange)
                );
            }
        }
    }

    /// The releases an object is of; a step's are its tree's.
    fn owners_of(&self, id: &str) -> BTreeSet<Which> {
        let known = |id: &str| self.owners.get(id).cloned();
        let of_tree = || known(&self.universe.get(id)?.commit_tree()?);
        known(id).or_else(of_tree).unwrap_or_default()
    }

    /// Whether a new copy with this tip is to hold every step: `Some(true)` if each of them is for `user` in all
    /// of these worlds, `Some(false)` if one is in none.
    pub(crate) fn whole(
        &self,
        app: &TestApp,
        user: &str,
        skill: &str,
        tip: &str,
        worlds: &[Arc<World>],
    ) -> Option<bool> {
        let steps = app.steps(user, skill);
        let at = steps.iter().position(|(commit, _)| commit == tip).unwrap();
        let shown: HashSet<&Which> =
            steps[..=at].iter().filter_map(|(_, tree)| self.trees.get(tree)).collect();
        let may = |world: &Arc<World>, which: &Which| world.permits(user, &which.0, &which.1);
        if shown.iter().all(|which| worlds.iter().all(|world| may(world, which))) {
            return Some(true);
        }
        shown.iter().any(|which| !worlds.iter().any(|world| may(world, which))).then_some(false)
    }

    /// Whether a step since the commit `before` shows what is not for `user` in one of these worlds.
    pub(crate) fn missed(
        &self,
        app: &TestApp,
        user: &str,
        skill: &str,
        before: &str,
        worlds: &[Arc<World>],
    ) -> bool {
        let steps = app.steps(user, skill);
        let at = steps.iter().position(|(commit, _)| commit == before).unwrap();
        let shown: HashSet<&Which> =
            steps[at + 1..].iter().filter_map(|(_, tree)| self.trees.get(tree)).collect();
        let may = |world: &Arc<World>, which: &Which| world.permits(user, &which.0, &which.1);
        shown.iter().any(|which| worlds.iter().any(|world| !may(world, which)))
    }
}

/// What was asked, for messages.
fn asked(exchange: &Exchange) -> String {
    format!("{} asked:\n{}", exchange.path, String::from_utf8_lossy(&exchange.request))
}
