-- Identity: ways in, sessions, devices, OAuth. Secrets are SHA-256 hashes of 32 bytes.

ALTER TABLE users ADD COLUMN email_verified_at {int};

-- A node that does not know the column makes tokens without limits, as it always did.
ALTER TABLE api_tokens ADD COLUMN scopes TEXT NOT NULL DEFAULT 'full';
ALTER TABLE api_tokens ADD COLUMN last_used_from TEXT;

CREATE TABLE passwords (
    user_id {text} NOT NULL PRIMARY KEY REFERENCES users (id),
    -- In PHC form: the algorithm, its costs, the salt and the hash.
    hash TEXT NOT NULL,
    changed_at {int} NOT NULL
){strict};

CREATE TABLE codes (
    id {text} NOT NULL PRIMARY KEY,
    kind {text} NOT NULL CHECK (kind IN ('verify', 'reset', 'change_email')),
    user_id {text} NOT NULL REFERENCES users (id),
    hash {bytes} NOT NULL UNIQUE CHECK (length(hash) = 32),
    sent_to TEXT NOT NULL,
    created_at {int} NOT NULL,
    expires_at {int} NOT NULL,
    used_at {int}
){strict};
CREATE INDEX codes_user ON codes (user_id, kind);
CREATE INDEX codes_expires ON codes (expires_at);

CREATE TABLE identities (
    id {text} NOT NULL PRIMARY KEY,
    user_id {text} NOT NULL REFERENCES users (id),
    provider {text} NOT NULL,
    issuer {text} NOT NULL,
    subject {text} NOT NULL,
    email TEXT,
    name TEXT,
    groups {json:groups} NOT NULL,
    linked_at {int} NOT NULL,
    last_used_at {int} NOT NULL,
    UNIQUE (issuer, subject)
){strict};
CREATE INDEX identities_user ON identities (user_id);

CREATE TABLE sessions (
    id {text} NOT NULL PRIMARY KEY,
    user_id {text} NOT NULL REFERENCES users (id),
    hash {bytes} NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_at {int} NOT NULL,
    seen_at {int} NOT NULL,
    expires_at {int} NOT NULL,
    revoked_at {int},
    address TEXT NOT NULL,
    agent TEXT NOT NULL
){strict};
CREATE INDEX sessions_user ON sessions (user_id, seen_at);
CREATE INDEX sessions_seen ON sessions (seen_at);

CREATE TABLE sign_ins (
    id {text} NOT NULL PRIMARY KEY,
    state_hash {bytes} NOT NULL UNIQUE CHECK (length(state_hash) = 32),
    browser_hash {bytes} NOT NULL CHECK (length(browser_hash) = 32),
    provider {text} NOT NULL,
    nonce TEXT NOT NULL,
    verifier TEXT NOT NULL,
    intent {text} NOT NULL CHECK (intent IN ('sign_in', 'link')),
    user_id {text} REFERENCES users (id),
    return_to TEXT NOT NULL,
    created_at {int} NOT NULL,
    expires_at {int} NOT NULL,
    used_at {int},
    CHECK ((intent = 'link') = (user_id IS NOT NULL))
){strict};
CREATE INDEX sign_ins_expires ON sign_ins (expires_at);

-- RFC 8628. The token is made when it is redeemed: nothing readable lies here.
CREATE TABLE device_authorizations (
    id {text} NOT NULL PRIMARY KEY,
    device_code_hash {bytes} NOT NULL UNIQUE CHECK (length(device_code_hash) = 32),
    user_code_hash {bytes} NOT NULL UNIQUE CHECK (length(user_code_hash) = 32),
    handle_hash {bytes} UNIQUE CHECK (length(handle_hash) = 32),
    client_id {text} NOT NULL,
    client_name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    resource TEXT,
    address TEXT NOT NULL,
    agent TEXT NOT NULL,
    state {text} NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'redeemed')),
    -- Who answered, what they agreed to, when; when the token was taken.
    user_id {text} REFERENCES users (id),
    granted TEXT,
    answered_at {int},
    redeemed_at {int},
    created_at {int} NOT NULL,
    expires_at {int} NOT NULL,
    interval_s {int} NOT NULL,
    polled_at {int},
    CHECK ((state = 'pending') = (user_id IS NULL)),
    CHECK ((state = 'pending') = (answered_at IS NULL)),
    CHECK ((state IN ('approved', 'redeemed')) = (granted IS NOT NULL)),
    CHECK ((state = 'redeemed') = (redeemed_at IS NOT NULL))
){strict};
CREATE INDEX device_authorizations_expires ON device_authorizations (expires_at);

CREATE TABLE oauth_clients (
    id {text} NOT NULL PRIMARY KEY,
    client_id {text} NOT NULL UNIQUE,
    name TEXT NOT NULL,
    redirect_uris {json:redirect_uris} NOT NULL,
    grant_types {json:grant_types} NOT NULL,
    metadata {json:metadata} NOT NULL,
    created_at {int} NOT NULL,
    last_used_at {int}
){strict};

CREATE TABLE oauth_grants (
    id {text} NOT NULL PRIMARY KEY,
    user_id {text} NOT NULL REFERENCES users (id),
    client_id {text} NOT NULL REFERENCES oauth_clients (client_id),
    scopes TEXT NOT NULL,
    resource TEXT,
    created_at {int} NOT NULL,
    revoked_at {int}
){strict};
CREATE INDEX oauth_grants_user ON oauth_grants (user_id);
CREATE INDEX oauth_grants_client ON oauth_grants (client_id);

CREATE TABLE oauth_codes (
    hash {bytes} NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    grant_id {text} NOT NULL REFERENCES oauth_grants (id),
    redirect_uri TEXT NOT NULL,
    challenge TEXT NOT NULL,
    created_at {int} NOT NULL,
    expires_at {int} NOT NULL,
    used_at {int}
){strict};
CREATE INDEX oauth_codes_grant ON oauth_codes (grant_id);
CREATE INDEX oauth_codes_expires ON oauth_codes (expires_at);

CREATE TABLE oauth_tokens (
    id {text} NOT NULL PRIMARY KEY,
    kind {text} NOT NULL CHECK (kind IN ('access', 'refresh')),
    hash {bytes} NOT NULL UNIQUE CHECK (length(hash) = 32),
    grant_id {text} NOT NULL REFERENCES oauth_grants (id),
    family {text} NOT NULL,
    generation {int} NOT NULL,
    created_at {int} NOT NULL,
    expires_at {int} NOT NULL,
    used_at {int},
    -- When a refresh token was used a second time, because the answer to the first was lost.
    retried_at {int},
    revoked_at {int},
    replaced_by {text}
){strict};
CREATE INDEX oauth_tokens_grant ON oauth_tokens (grant_id);
CREATE INDEX oauth_tokens_family ON oauth_tokens (family, generation);
CREATE INDEX oauth_tokens_expires ON oauth_tokens (expires_at);

-- Tries that all nodes count together. The key names no person: it is a hash.
CREATE TABLE budgets (
    key {text} NOT NULL,
    window_start {int} NOT NULL,
    ends_at {int} NOT NULL,
    used {int} NOT NULL,
    PRIMARY KEY (key, window_start)
){strict};
CREATE INDEX budgets_ends ON budgets (ends_at);
