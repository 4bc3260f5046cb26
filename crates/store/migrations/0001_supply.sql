-- One text for both databases; migration.rs says what each word in braces becomes.
-- Ids are text, times BIGINT microseconds since 1970, object ids 20 bytes.

CREATE TABLE settings (
    name {text} NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
){strict};

CREATE TABLE counters (
    name {text} NOT NULL PRIMARY KEY,
    value {int} NOT NULL
){strict};

-- 'catalogue': the revision of everything that all users share. 'position': the last one given.
INSERT INTO counters (name, value) VALUES ('catalogue', 0), ('position', -1);

CREATE TABLE users (
    id {text} NOT NULL PRIMARY KEY,
    username {text} NOT NULL UNIQUE,
    email TEXT,
    -- The address in lower case: what must be unique. Both are erased with the user.
    email_key {text} UNIQUE,
    revision {int} NOT NULL DEFAULT 1,
    created_at {int} NOT NULL,
    deleted_at {int},
    CHECK ((deleted_at IS NULL) = (email IS NOT NULL)),
    CHECK ((email IS NULL) = (email_key IS NULL))
){strict};

CREATE TABLE taken_names (
    kind {text} NOT NULL CHECK (kind IN ('user', 'skill')),
    name {text} NOT NULL,
    skeleton {text} NOT NULL,
    owner_id {text} NOT NULL REFERENCES users (id),
    tombstoned_at {int},
    PRIMARY KEY (kind, name)
){strict};
CREATE INDEX taken_names_skeleton ON taken_names (kind, skeleton);
CREATE UNIQUE INDEX taken_names_user_skeleton ON taken_names (skeleton) WHERE kind = 'user';

CREATE TABLE api_tokens (
    id {text} NOT NULL PRIMARY KEY,
    user_id {text} NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    id_part {text} NOT NULL UNIQUE,
    hash {bytes} NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_at {int} NOT NULL,
    expires_at {int},
    revoked_at {int},
    last_used_at {int}
){strict};
CREATE INDEX api_tokens_user ON api_tokens (user_id);

CREATE TABLE sources (
    id {text} NOT NULL PRIMARY KEY,
    creator_id {text} NOT NULL REFERENCES users (id),
    name {text} NOT NULL,
    problems {json:problems} NOT NULL,
    -- Counts the changes of its refs; its row is their lock.
    revision {int} NOT NULL DEFAULT 0,
    created_at {int} NOT NULL,
    UNIQUE (creator_id, name)
){strict};

CREATE TABLE source_refs (
    source_id {text} NOT NULL REFERENCES sources (id),
    name {text} NOT NULL,
    target {bytes} NOT NULL CHECK (length(target) = 20),
    PRIMARY KEY (source_id, name)
){strict};

CREATE TABLE source_packs (
    source_id {text} NOT NULL REFERENCES sources (id),
    pack {bytes} NOT NULL CHECK (length(pack) = 20),
    bytes {int} NOT NULL,
    objects {int} NOT NULL,
    created_at {int} NOT NULL,
    retired_at {int},
    PRIMARY KEY (source_id, pack)
){strict};

CREATE TABLE contents (
    tree {bytes} NOT NULL PRIMARY KEY CHECK (length(tree) = 20),
    objects {int} NOT NULL,
    bytes {int} NOT NULL,
    created_at {int} NOT NULL
){strict};

-- A skill and its listing.
CREATE TABLE skills (
    id {text} NOT NULL PRIMARY KEY,
    name {text} NOT NULL UNIQUE,
    creator_id {text} NOT NULL REFERENCES users (id),
    source_id {text} NOT NULL REFERENCES sources (id),
    folder TEXT NOT NULL,
    position {int} NOT NULL UNIQUE,
    state {text} NOT NULL CHECK (state IN ('draft', 'published', 'withdrawn', 'quarantined')),
    description TEXT NOT NULL,
    features {json:features} NOT NULL,
    category TEXT,
    tags {json:tags} NOT NULL,
    price_minor {int},
    price_currency TEXT,
    price_interval TEXT CHECK (price_interval IN ('once', 'month', 'year')),
    trial_days {int} NOT NULL,
    problems {json:problems} NOT NULL,
    created_at {int} NOT NULL,
    published_at {int},
    updated_at {int} NOT NULL,
    deleted_at {int},
    -- Not on sale: all NULL. Free: 0. Otherwise an amount with its currency and interval.
    CHECK (price_minor IS NULL OR price_minor >= 0),
    CHECK ((coalesce(price_minor, 0) > 0) = (price_currency IS NOT NULL)),
    CHECK ((price_currency IS NULL) = (price_interval IS NULL)),
    CHECK (state <> 'published' OR published_at IS NOT NULL)
){strict};
CREATE INDEX skills_creator ON skills (creator_id);
CREATE INDEX skills_source ON skills (source_id);

CREATE TABLE releases (
    id {text} NOT NULL PRIMARY KEY,
    skill_id {text} NOT NULL REFERENCES skills (id),
    seq {int} NOT NULL,
    version TEXT NOT NULL,
    tree {bytes} NOT NULL REFERENCES contents (tree),
    commit_id {bytes} NOT NULL CHECK (length(commit_id) = 20),
    commit_raw {bytes} NOT NULL,
    published_at {int} NOT NULL,
    source_commit {bytes} CHECK (length(source_commit) = 20),
    notes TEXT NOT NULL,
    files {int} NOT NULL,
    bytes {int} NOT NULL,
    UNIQUE (skill_id, version),
    UNIQUE (skill_id, seq)
){strict};

-- The current stub of a skill and reason is the one with the highest revision; older ones stay, because
-- lineages name them.
CREATE TABLE stubs (
    skill_id {text} NOT NULL REFERENCES skills (id),
    reason {text} NOT NULL,
    tree {bytes} NOT NULL REFERENCES contents (tree),
    version TEXT NOT NULL,
    commit_id {bytes} NOT NULL CHECK (length(commit_id) = 20),
    commit_raw {bytes} NOT NULL,
    catalogue_revision {int} NOT NULL,
    created_at {int} NOT NULL,
    PRIMARY KEY (skill_id, reason, commit_id)
){strict};

CREATE TABLE grants (
    id {text} NOT NULL PRIMARY KEY,
    user_id {text} NOT NULL REFERENCES users (id),
    skill_id {text} NOT NULL REFERENCES skills (id),
    kind {text} NOT NULL
        CHECK (kind IN ('purchase', 'subscription', 'trial', 'gift', 'seat', 'ownership')),
    starts_at {int} NOT NULL,
    until_at {int},
    updates_until {int},
    revoked_at {int},
    note TEXT NOT NULL,
    created_at {int} NOT NULL
){strict};
CREATE INDEX grants_user ON grants (user_id, skill_id);
CREATE INDEX grants_skill ON grants (skill_id);
-- One trial per user and skill, ever.
CREATE UNIQUE INDEX grants_trial ON grants (user_id, skill_id) WHERE kind = 'trial';

CREATE TABLE fragments (
    id {text} NOT NULL PRIMARY KEY,
    text TEXT NOT NULL
){strict};

-- What stands at a position from a revision on; no fragment is a hole.
CREATE TABLE catalogue_entries (
    position {int} NOT NULL,
    revision {int} NOT NULL,
    skill_id {text} NOT NULL REFERENCES skills (id),
    fragment_id {text} REFERENCES fragments (id),
    PRIMARY KEY (position, revision)
){strict};
CREATE INDEX catalogue_entries_revision ON catalogue_entries (revision);

CREATE TABLE steps (
    user_id {text} NOT NULL REFERENCES users (id),
    repo {text} NOT NULL,
    seq {int} NOT NULL CHECK (seq >= 0),
    commit_id {bytes} NOT NULL CHECK (length(commit_id) = 20),
    commit_raw {bytes} NOT NULL,
    tree {bytes} NOT NULL CHECK (length(tree) = 20),
    root_id {bytes} CHECK (length(root_id) = 20),
    state TEXT NOT NULL,
    delta {bytes},
    created_at {int} NOT NULL,
    PRIMARY KEY (user_id, repo, seq)
){strict};
CREATE INDEX steps_commit ON steps (user_id, repo, commit_id);
