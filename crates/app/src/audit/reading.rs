//! Reading the audit log: the operator sees all of it, people see their own part.

use std::collections::{HashMap, hash_map::Entry as MapEntry};

use jiff::Timestamp;
use skaas_domain::{
    audit::{Action, ActorKind, Entry, Head, Outcome, Subject},
    id::UserId,
    scope::Need,
};
use skaas_store::{
    audit::{self as rows, Filter},
    tokens,
    users::find_by_id,
};

use crate::{
    actor::Actor,
    app::App,
    code::Code,
    error::{Error, Result},
    users,
};

/// The most entries that people see of their own.
const OWN: i64 = 1000;
/// How many entries or chains an export reads at once.
const AT_ONCE: i64 = 1000;

/// Which entries an operator wants to see.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// Only those about the user of this name.
    pub username: Option<&'a str>,
    /// Only this action, or all whose word begins with this one and a dot.
    pub action: Option<&'a str>,
    /// Only from then on.
    pub since: Option<Timestamp>,
    /// How many at most.
    pub limit: u32,
}

/// Lists entries of the whole log, newest first.
///
/// # Errors
/// [`crate::Kind::Invalid`] for a word that no action has or begins with; [`crate::Kind::NotFound`] for a user who doesn't exist.
pub async fn list(app: &App, actor: &Actor, wanted: &Wanted<'_>) -> Result<Vec<Entry>> {
    let mut conn = app.store.snapshot().await?;
    actor.require_view(&mut conn, app.now()).await?;
    if let Some(action) = wanted.action {
        check_action(action)?;
    }
    let subject = match wanted.username {
        Some(username) => Some(Subject::from(users::by_name_in(&mut conn, username).await?.id)),
        None => None,
    };
    let filter = Filter {
        subject,
        action: wanted.action,
        since: wanted.since,
        before: None,
        limit: wanted.limit.into(),
    };
    Ok(rows::list(&mut conn, &filter).await?)
}

/// An entry with the names of the users it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The entry.
    pub entry: Entry,
    /// Whom it is about; `None` is the server itself, or somebody whose account is deleted.
    pub subject: Option<String>,
    /// The user who acted, if one did and their account exists.
    pub actor: Option<String>,
}

/// Lists the newest entries of the whole log with names, for operators.
pub async fn newest(app: &App, actor: &Actor, limit: u32) -> Result<Vec<Named>> {
    let mut conn = app.store.snapshot().await?;
    actor.require_view(&mut conn, app.now()).await?;
    let entries = rows::list(&mut conn, &Filter { limit: limit.into(), ..Filter::default() }).await?;
    let mut names: HashMap<UserId, Option<String>> = HashMap::new();
    let mentioned: Vec<UserId> =
        entries.iter().flat_map(|entry| [entry.subject.0, entry.actor.user]).flatten().collect();
    for id in mentioned {
        if let MapEntry::Vacant(unknown) = names.entry(id) {
            let user = find_by_id(&mut conn, id).await?;
            unknown.insert(user.map(|user| user.username));
        }
    }
    let called = |id: Option<UserId>| id.and_then(|id| names.get(&id).cloned().flatten());
    let with_names =
        |entry: Entry| Named { subject: called(entry.subject.0), actor: called(entry.actor.user), entry };
    Ok(entries.into_iter().map(with_names).collect())
}

fn check_action(text: &str) -> Result<()> {
    let begins = |action: &&Action| {
        let word = action.as_str();
        word == text || word.strip_prefix(text).is_some_and(|rest| rest.starts_with('.'))
    };
    if Action::ALL.iter().any(|action| begins(&action)) {
        return Ok(());
    }
    let words: Vec<&str> = Action::ALL.iter().map(|action| action.as_str()).collect();
    let text: String = text.chars().take(64).collect();
    let why = format!("there is no action {text:?}; the actions are {}", words.join(", "));
    Err(Error::refused(Code::InvalidValue, why))
}

/// Who acted, as the person whom the entry is about may know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// They themselves, in a browser.
    Browser,
    /// One of their API tokens.
    ApiToken,
    /// An app that they authorized.
    App,
    /// They themselves, as they signed in or up, or followed a mailed link.
    Owner,
    /// Somebody who isn't signed in, and didn't prove to be anyone.
    Visitor,
    /// The operator of the server.
    Operator,
    /// The server itself.
    Server,
}

impl By {
    /// The word that programs read.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::ApiToken => "token",
            Self::App => "app",
            Self::Owner | Self::Visitor => "visitor",
            Self::Operator => "operator",
            Self::Server => "server",
        }
    }
}

/// An entry as the person whom it is about sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// When.
    pub at: Timestamp,
    /// The action's word.
    pub action: String,
    /// What was done, as people read it.
    pub sentence: String,
    /// With what: tokens by their name.
    pub thing: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Who acted.
    pub by: By,
    /// From which IP address. Operators' addresses are theirs alone.
    pub address: Option<String>,
    /// Its place in the person's chain, once it is sealed.
    pub seal: Option<Head>,
}

/// Lists what was recorded about the actor, newest first, `limit` at most.
pub async fn own(app: &App, actor: &Actor, limit: Option<u32>) -> Result<Vec<Activity>> {
    let user = actor.require(&Need::Account { write: false })?.id;
    let mut conn = app.store.read().await?;
    let limit = limit.map_or(OWN, |limit| OWN.min(limit.into()));
    let filter = Filter { subject: Some(user.into()), limit, ..Filter::default() };
    let entries = rows::list(&mut conn, &filter).await?;
    let named = tokens::list(&mut conn, user).await?;
    let by_id: HashMap<String, String> =
        named.into_iter().map(|token| (token.id.to_string(), token.name)).collect();
    Ok(entries.into_iter().map(|entry| shown(entry, user, &by_id)).collect())
}

fn shown(entry: Entry, user: UserId, names: &HashMap<String, String>) -> Activity {
    let sentence = entry.sentence().to_owned();
    let Entry { at, actor, address, action, thing, outcome, seal, .. } = entry;
    let by = match actor.kind {
        // An operator who acts in a browser.
        _ if actor.user.is_some_and(|other| other != user) => By::Operator,
        ActorKind::Session => By::Browser,
        ActorKind::ApiToken => By::ApiToken,
        ActorKind::OauthGrant => By::App,
        ActorKind::Visitor if actor.user.is_some() => By::Owner,
        ActorKind::Visitor => By::Visitor,
        ActorKind::Operator => By::Operator,
        ActorKind::Server => By::Server,
    };
    Activity {
        at,
        sentence,
        action,
        thing: names.get(&thing).cloned().unwrap_or(thing),
        outcome,
        by,
        address: address.known().filter(|_| by != By::Operator).map(str::to_owned),
        seal: seal.map(|seal| Head { position: seal.position, hash: seal.hash }),
    }
}

/// A line of an export.
#[derive(Debug, Clone, Copy)]
pub enum Exported<'a> {
    /// An entry, sealed or not.
    Entry(&'a Entry),
    /// The end of a chain: kept elsewhere, it proves what the chain was.
    Head(Subject, Head),
}

/// Exports the whole log of one moment: every entry in the order of their numbers, then the end of every chain.
///
/// # Errors
/// [`Error::Internal`] with what `write` failed with.
pub async fn export(
    app: &App,
    actor: &Actor,
    mut write: impl FnMut(Exported<'_>) -> std::io::Result<()>,
) -> Result<()> {
    actor.require_operator()?;
    let mut conn = app.store.snapshot().await?;
    let mut after = 0;
    loop {
        let page = rows::page(&mut conn, after, AT_ONCE).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for entry in &page {
            write(Exported::Entry(entry)).map_err(Error::internal)?;
        }
    }
    let mut subjects = vec![Subject::SERVER];
    while let Some(last) = subjects.last().copied() {
        for subject in subjects {
            if let Some(head) = rows::head(&mut conn, subject).await? {
                write(Exported::Head(subject, head)).map_err(Error::internal)?;
            }
        }
        subjects = rows::subjects(&mut conn, last, AT_ONCE).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};
    use skaas_domain::audit::{Address, Who};

    use super::*;

    #[test]
    fn an_operator_in_a_browser_is_shown_without_their_address_and_a_stranger_with_it() {
        let mut rng = StdRng::seed_from_u64(1);
        let [ann, olga] = [(); 2].map(|()| UserId::new(Timestamp::UNIX_EPOCH, &mut rng));
        let entry = |kind, user| Entry {
            id: 1,
            at: Timestamp::UNIX_EPOCH,
            subject: ann.into(),
            actor: Who { kind, user, id: "ses_1".to_owned() },
            address: Address::Known("192.0.2.7".to_owned()),
            action: "session.create".to_owned(),
            thing: String::new(),
            outcome: Outcome::Done,
            seal: None,
        };
        let told = |kind, user| {
            let shown = shown(entry(kind, user), ann, &HashMap::new());
            (shown.by, shown.address)
        };
        let address = Some("192.0.2.7".to_owned());
        assert_eq!(told(ActorKind::Session, Some(ann)), (By::Browser, address.clone()));
        assert_eq!(told(ActorKind::Session, Some(olga)), (By::Operator, None));
        assert_eq!(told(ActorKind::Operator, None), (By::Operator, None));
        assert_eq!(told(ActorKind::Visitor, Some(ann)), (By::Owner, address.clone()));
        assert_eq!(told(ActorKind::Visitor, None), (By::Visitor, address));
    }
}
