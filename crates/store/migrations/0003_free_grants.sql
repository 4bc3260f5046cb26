-- Grants of the kind 'free': what a user added or fetched while it was free stays theirs.

-- SQLite cannot change a CHECK, so the table is built anew on both databases.
CREATE TABLE grants_with_free (
    id {text} NOT NULL PRIMARY KEY,
    user_id {text} NOT NULL REFERENCES users (id),
    skill_id {text} NOT NULL REFERENCES skills (id),
    kind {text} NOT NULL
        CHECK (kind IN ('purchase', 'subscription', 'trial', 'gift', 'seat', 'ownership', 'free')),
    starts_at {int} NOT NULL,
    until_at {int},
    updates_until {int},
    revoked_at {int},
    note TEXT NOT NULL,
    created_at {int} NOT NULL
){strict};
INSERT INTO grants_with_free
    (id, user_id, skill_id, kind, starts_at, until_at, updates_until, revoked_at, note, created_at)
    SELECT id, user_id, skill_id, kind, starts_at, until_at, updates_until, revoked_at, note, created_at
    FROM grants;
DROP TABLE grants;
ALTER TABLE grants_with_free RENAME TO grants;
CREATE INDEX grants_user ON grants (user_id, skill_id);
CREATE INDEX grants_skill ON grants (skill_id);
-- One trial per user and skill, ever; and one free grant.
CREATE UNIQUE INDEX grants_trial ON grants (user_id, skill_id) WHERE kind = 'trial';
CREATE UNIQUE INDEX grants_free ON grants (user_id, skill_id) WHERE kind = 'free';

-- Whoever was served what is free today keeps it. The id is made of the user's and the skill's.
INSERT INTO grants
    (id, user_id, skill_id, kind, starts_at, until_at, updates_until, revoked_at, note, created_at)
    SELECT 'grt_' || substr(users.id, 5, 18) || substr(skills.id, 23, 8), users.id, skills.id, 'free',
        min(steps.created_at), NULL, NULL, NULL, 'fetched while it was free', min(steps.created_at)
    FROM steps
    JOIN users ON users.id = steps.user_id
    JOIN skills ON skills.id = steps.repo
    WHERE skills.state = 'published' AND skills.price_minor = 0 AND skills.deleted_at IS NULL
        AND users.deleted_at IS NULL AND users.id <> skills.creator_id
        AND steps.state LIKE '%"release"%'
    GROUP BY users.id, skills.id;
UPDATE users SET revision = revision + 1
    WHERE id IN (SELECT user_id FROM grants WHERE kind = 'free');
