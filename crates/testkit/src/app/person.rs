//! Somebody with a token and a git of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use skaas_app::{
    Error, Kind, Presented, authenticate, grants,
    grants::FreeSkill,
    tokens::{self, NewToken},
    users,
};

use super::{Copy, Node, Source, TestApp};
use crate::app::operator::Given;
use crate::git::{Git, Protocol, Ran};
use crate::wire::Connection;
use skaas_domain::entitlement::GrantKind;

/// What stays the same of a person between two acts.
pub(super) struct Account {
    name: String,
    token: Mutex<String>,
    git: Git,
    folder: PathBuf,
}

impl Account {
    /// Writes git's own credential file: one line per address.
    pub(super) fn write_credentials(&self, bases: &[String]) {
        let token = self.token.lock().expect("nobody panics while reading it").clone();
        let line = |base: &String| {
            let (scheme, host) = base.split_once("://").expect("an address has a scheme");
            format!("{scheme}://{}:{token}@{host}\n", self.name)
        };
        let lines: String = bases.iter().map(line).collect();
        // Another of this person's gits may be reading it: never half a file.
        let file = self.git.home().join(".git-credentials");
        let partial = self.git.home().join(".git-credentials.partial");
        fs::write(&partial, lines).expect("the credential file can be written");
        fs::rename(&partial, &file).expect("the credential file can be replaced");
    }
}

/// Somebody, at one address, speaking one protocol.
#[derive(Clone)]
pub struct Person<'a> {
    app: &'a TestApp,
    account: Arc<Account>,
    base: String,
    git: Git,
}

impl TestApp {
    /// The creator of that name, admitted if they are new.
    pub fn creator(&self, name: &str) -> Person<'_> {
        self.person(name)
    }

    /// The buyer of that name, admitted if they are new.
    pub fn buyer(&self, name: &str) -> Person<'_> {
        self.person(name)
    }

    /// The person of that name: roles are what people do.
    ///
    /// # Panics
    /// If they are new and cannot be admitted.
    pub fn person(&self, name: &str) -> Person<'_> {
        let known = self.accounts.lock().expect("nobody panics while looking").get(name).cloned();
        let account = known.unwrap_or_else(|| self.admit(name));
        let git = account.git.clone();
        Person { app: self, account, base: self.node().url(), git }
    }

    fn admit(&self, name: &str) -> Arc<Account> {
        let email = format!("{name}@example.test");
        // Whoever signed up on a page is a user already.
        let found = self.run(users::find(self.operator(), self.actor(), name));
        if found.is_err_and(|error| error.kind() == Kind::NotFound) {
            let added = self.run(users::add(self.operator(), self.actor(), name, &email));
            added.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let folder = self.folder().join("people").join(name);
        let git = Git::new(&folder.join("home"));
        let account =
            Arc::new(Account { name: name.to_owned(), token: Mutex::new(String::new()), git, folder });
        self.accounts
            .lock()
            .expect("nobody panics while admitting")
            .insert(name.to_owned(), Arc::clone(&account));
        let token = self.new_token(name, None);
        self.hand_over(&account, token);
        account
    }

    fn new_token(&self, name: &str, expires_at: Option<Timestamp>) -> String {
        let new = NewToken { name: "laptop", scopes: None, expires_at };
        let created = self.run(tokens::create(self.operator(), self.actor(), name.into(), new));
        created.unwrap_or_else(|error| panic!("{name}: {error}")).token.reveal().to_owned()
    }

    fn hand_over(&self, account: &Account, token: String) {
        *account.token.lock().expect("nobody panics while reading it") = token;
        account.write_credentials(&self.bases());
    }
}

impl<'a> Person<'a> {
    /// Their username.
    pub fn name(&self) -> &str {
        &self.account.name
    }

    /// The token they use now.
    pub fn token(&self) -> String {
        self.account.token.lock().expect("nobody panics while reading it").clone()
    }

    /// Their folder, for whatever they keep.
    pub fn folder(&self) -> &Path {
        &self.account.folder
    }

    /// Their git.
    pub fn git(&self) -> &Git {
        &self.git
    }

    /// The installation they are a user of.
    pub fn app(&self) -> &'a TestApp {
        self.app
    }

    /// The same person, talking to a certain node.
    #[must_use]
    pub fn at(&self, node: &Node) -> Self {
        self.at_base(&node.url())
    }

    /// The same person, talking to whatever stands at an address that is known to their git.
    #[must_use]
    pub fn at_base(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// The same person, speaking another protocol version.
    #[must_use]
    pub fn speaking(&self, protocol: Protocol) -> Self {
        Self { git: self.git.speaking(protocol), ..self.clone() }
    }

    /// Replaces their token by a new one, which ends at a moment if one is given. The old one still works.
    pub fn takes_new_token(&self, expires_at: Option<Timestamp>) -> String {
        let token = self.app.new_token(self.name(), expires_at);
        self.app.hand_over(&self.account, token.clone());
        token
    }

    /// All of their tokens are revoked.
    pub fn loses_all_tokens(&self) {
        let (app, whose) = (self.app, self.name().into());
        app.run(tokens::revoke(app.operator(), app.actor(), whose, None)).expect("they can be revoked");
    }

    /// A connection by hand, with their credentials, to the node on `port`.
    pub fn connects(&self) -> Connection {
        let port = self.base.rsplit(':').next().and_then(|port| port.parse().ok());
        Connection::open(port.expect("an address ends in its port")).basic(self.name(), &self.token())
    }

    /// Buys a skill permanently.
    #[track_caller]
    pub fn buys(&self, skill: &str) {
        self.gets(skill, Given::of(GrantKind::Purchase));
    }

    /// Adds a free skill to what they have.
    ///
    /// # Errors
    /// The use case's.
    pub fn tries_to_add(&self, skill: &str) -> Result<FreeSkill, Error> {
        let (app, token) = (self.app.operator(), self.token());
        let presented = Presented { username: None, secret: &token };
        self.app.run(async {
            let actor = authenticate(app, Some(&presented), None).await?;
            grants::add_free(app, &actor, skill).await
        })
    }

    /// Is given access.
    #[track_caller]
    pub fn gets(&self, skill: &str, given: Given) {
        self.app.give(self.name(), skill, given);
    }

    /// Loses what they have of a skill.
    #[track_caller]
    pub fn is_refunded(&self, skill: &str) {
        assert!(self.app.revoke(self.name(), skill) > 0, "there was nothing to revoke");
    }

    /// A source of theirs, with a working folder in which nothing is committed yet.
    pub fn source(&self, name: &str) -> Source<'a> {
        Source::open(self.clone(), name)
    }

    /// Writes a skill of version 1.0.0 in a source of the same name, pushes it, and has it published.
    #[track_caller]
    pub fn publishes(&self, skill: &'a str) -> super::Offer<'a> {
        let source = self.source(skill);
        source.holds(skill, "1.0.0");
        source.pushes().is_taken();
        self.app.offer(skill).published()
    }

    /// Releases another version of what [`Person::publishes`] published.
    #[track_caller]
    pub fn releases(&self, skill: &str, version: &str) {
        let source = self.source(skill);
        source.holds(skill, version);
        source.pushes().is_taken();
    }

    /// The address of a repository of theirs: `marketplace`, or a skill.
    pub fn url(&self, repo: &str) -> String {
        if repo == "marketplace" {
            format!("{}/me/marketplace.git", self.base)
        } else {
            format!("{}/me/skills/{repo}.git", self.base)
        }
    }

    /// The address of a source of theirs.
    pub fn source_url(&self, source: &str) -> String {
        format!("{}/s/{}/{source}.git", self.base, self.name())
    }

    /// Clones a repository of theirs: `marketplace`, or a skill.
    #[track_caller]
    pub fn clones(&self, repo: &str) -> Copy<'a> {
        self.clones_with(repo, &[])
    }

    /// The same with options of `git clone`.
    #[track_caller]
    pub fn clones_with(&self, repo: &str, options: &[&str]) -> Copy<'a> {
        self.try_clone(repo, options).unwrap_or_else(|ran| panic!("{ran}"))
    }

    /// Fails to clone; what git said.
    #[track_caller]
    pub fn cannot_clone(&self, repo: &str) -> String {
        match self.try_clone(repo, &[]) {
            Ok(copy) => panic!("{repo} was cloned into {}", copy.folder().display()),
            Err(ran) => ran.expect_failure(),
        }
    }

    /// Clones, where it may be refused.
    ///
    /// # Errors
    /// What git printed.
    pub fn try_clone(&self, repo: &str, options: &[&str]) -> Result<Copy<'a>, Ran> {
        let parent = self.folder().join("copies");
        fs::create_dir_all(&parent).expect("a folder can be made");
        let folder = tempfile::Builder::new().prefix(repo).tempdir_in(&parent).expect("a folder can be made");
        let folder = folder.keep();
        let shown = folder.to_string_lossy().into_owned();
        let url = self.url(repo);
        let arguments = [&["clone", "-q"], options, &[url.as_str(), shown.as_str()]].concat();
        let ran = self.limited(&parent, &arguments);
        if ran.succeeded() { Ok(Copy::at(self.clone(), repo, folder)) } else { Err(ran) }
    }

    /// Runs git in a folder, within a minute: endless talks are one of the failures looked for.
    pub fn limited(&self, folder: &Path, arguments: &[&str]) -> Ran {
        let inner = self.git.command(folder, arguments);
        let mut limited = Command::new("timeout");
        limited.args(["--kill-after=5", "60"]).arg(inner.get_program()).args(inner.get_args());
        limited.env_clear().current_dir(folder);
        limited.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let ran = Ran::capture(&mut limited, b"");
        assert_ne!(ran.code, Some(124), "it did not end: {ran}");
        ran
    }
}
