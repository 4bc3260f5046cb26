//! Owns the people and skills that stories are told of. Refuses to check anything.

use jiff::Timestamp;
use rand::{RngCore as _, SeedableRng as _, rngs::StdRng};
use skaas_domain::{
    entitlement::{Grant, GrantKind},
    id::{GrantId, ReleaseId, SkillId, SourceId, TokenId, UserId},
    listing::Listing,
    scope::Scopes,
    token::ApiToken,
    user::{TokenRecord, User},
};
use skaas_store::{
    Oid, Store,
    grants::GrantRecord,
    listings::{self, NewListing},
    releases::NewRelease,
    sources::{self, Source},
    steps::Step,
    users,
};

/// The moment `seconds` into the story, to the microsecond that a database keeps.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_microsecond(1_800_000_000_000_001 + seconds * 1_000_000).unwrap()
}

/// An object id that says `n`.
pub(crate) fn oid(n: u64) -> Oid {
    let mut bytes = [0xab; 20];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    Oid(bytes)
}

/// A store, and what makes ids for it.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) rng: StdRng,
    grants: i64,
}

impl World {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, rng: StdRng::seed_from_u64(42), grants: 0 }
    }

    /// A user who is not in the store yet.
    pub(crate) fn person(&mut self, name: &str) -> User {
        User {
            id: UserId::new(at(0), &mut self.rng),
            username: name.to_owned(),
            email: format!("{name}@Example.com"),
            created_at: at(0),
            suspended_at: None,
        }
    }

    pub(crate) async fn user(&mut self, name: &str) -> User {
        let user = self.person(name);
        let mut tx = self.store.begin().await.unwrap();
        users::add(&mut tx, &user).await.unwrap();
        tx.commit().await.unwrap();
        user
    }

    pub(crate) async fn source(&mut self, creator: UserId, name: &str) -> Source {
        let source = Source {
            id: SourceId::new(at(1), &mut self.rng),
            creator,
            name: name.to_owned(),
            problems: vec![],
            created_at: at(1),
        };
        let mut tx = self.store.begin().await.unwrap();
        sources::add(&mut tx, &source).await.unwrap();
        tx.commit().await.unwrap();
        source
    }

    pub(crate) fn new_listing(&mut self, source: &Source, name: &str) -> NewListing {
        NewListing {
            skill: SkillId::new(at(2), &mut self.rng),
            name: name.to_owned(),
            creator: source.creator,
            source: source.id,
            folder: format!("skills/{name}"),
            description: "Does „it“ \"well\"\n🦀".to_owned(),
            features: vec!["One".to_owned(), "Zwei's".to_owned()],
            category: Some("review".to_owned()),
            tags: vec!["a".to_owned(), "b".to_owned()],
            problems: vec![],
            created_at: at(2),
        }
    }

    pub(crate) async fn skill(&mut self, source: &Source, name: &str) -> Listing {
        let new = self.new_listing(source, name);
        let mut tx = self.store.begin().await.unwrap();
        let listing = listings::add(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
        listing
    }

    pub(crate) async fn content(&mut self, tree: Oid) {
        let data = bytes::Bytes::from(tree.to_string());
        self.store.put_content(tree, 3, data, at(3)).await.unwrap();
    }

    pub(crate) fn new_release(&mut self, skill: SkillId, version: &str, tree: Oid) -> NewRelease {
        NewRelease {
            id: ReleaseId::new(at(3), &mut self.rng),
            skill,
            version: version.to_owned(),
            tree,
            commit: oid(self.rng.next_u64()),
            commit_raw: b"tree ...\0 raw".to_vec(),
            published_at: at(3),
            source_commit: Some(oid(7)),
            notes: "First.".to_owned(),
            files: 2,
            bytes: 1234,
        }
    }

    pub(crate) fn grant(&mut self, user: UserId, skill: SkillId, kind: GrantKind) -> GrantRecord {
        self.grants += 1;
        let made = at(4 + self.grants);
        let grant = Grant {
            id: GrantId::new(made, &mut self.rng),
            user,
            skill,
            kind,
            starts_at: at(4),
            until: Some(at(100)),
            updates_until: Some(at(50)),
            revoked_at: None,
            made_at: made,
        };
        GrantRecord { grant, note: "a note".to_owned(), order: None }
    }

    pub(crate) fn token(&mut self, user: UserId, name: &str) -> TokenRecord {
        let token = ApiToken::generate(&mut self.rng);
        TokenRecord {
            id: TokenId::new(at(5), &mut self.rng),
            user,
            name: name.to_owned(),
            id_part: token.id_part().to_owned(),
            hash: token.hash(),
            scopes: Scopes::full(),
            created_at: at(5),
            expires_at: Some(at(1000)),
            revoked_at: None,
            last_used_at: None,
            last_used_from: None,
            parent: None,
        }
    }
}

/// A step at place `seq`.
pub(crate) fn step(seq: i64, n: u64) -> Step {
    Step {
        seq,
        commit: oid(n),
        commit_raw: format!("commit {n}").into_bytes(),
        tree: oid(n + 1000),
        root: (seq > 0).then(|| oid(n + 2000)),
        state: format!(r#"{{"n":{n}}}"#),
        delta: (seq > 0).then(|| vec![0, 255, 7]),
        created_at: at(seq),
    }
}
