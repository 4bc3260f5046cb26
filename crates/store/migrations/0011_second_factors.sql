-- Second factors, and sign-ins that wait for one.

CREATE TABLE passkeys (
    id {text} NOT NULL PRIMARY KEY,
    user_id {text} NOT NULL REFERENCES users (id),
    -- What the authenticator calls it.
    credential_id {bytes} NOT NULL UNIQUE,
    -- The public key, the counter and flags, as the library writes them.
    credential TEXT NOT NULL,
    label TEXT NOT NULL,
    created_at {int} NOT NULL,
    last_used_at {int}
){strict};
CREATE INDEX passkeys_user ON passkeys (user_id);

-- At most one for each user. Its secret is in the vault.
CREATE TABLE authenticator_apps (
    user_id {text} NOT NULL PRIMARY KEY REFERENCES users (id),
    created_at {int} NOT NULL,
    -- When its owner first typed a code of it. Until then, signing in doesn't ask for one.
    confirmed_at {int},
    last_used_at {int},
    -- The time step of the last code: neither that code nor an earlier one is accepted again.
    last_step {int} NOT NULL
){strict};

CREATE TABLE recovery_codes (
    user_id {text} NOT NULL REFERENCES users (id),
    hash {bytes} NOT NULL,
    created_at {int} NOT NULL,
    used_at {int},
    PRIMARY KEY (user_id, hash)
){strict};

-- Sign-ins that wait for a second factor, and challenges of passkeys. Each belongs to the browser it began in.
CREATE TABLE ceremonies (
    hash {bytes} NOT NULL PRIMARY KEY,
    browser_hash {bytes} NOT NULL,
    kind {text} NOT NULL CHECK (kind IN ('second_factor', 'assertion', 'registration')),
    -- Whose, where that is known before it ends.
    user_id {text} REFERENCES users (id),
    -- Read by the program that began it.
    state TEXT NOT NULL,
    created_at {int} NOT NULL,
    expires_at {int} NOT NULL
){strict};
CREATE INDEX ceremonies_user ON ceremonies (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX ceremonies_expiry ON ceremonies (expires_at);
