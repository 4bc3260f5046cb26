-- Operators, suspended users and quarantined listings.

CREATE TABLE operators (
    user_id {text} NOT NULL PRIMARY KEY REFERENCES users (id),
    added_at {int} NOT NULL,
    -- Who added them: the name that the system knows the person at the command line by.
    added_by TEXT NOT NULL
){strict};

-- The reason is for operators only.
ALTER TABLE users ADD COLUMN suspended_at {int};
ALTER TABLE users ADD COLUMN suspended_reason TEXT;
CREATE INDEX users_suspended ON users (suspended_at) WHERE suspended_at IS NOT NULL;

-- Present while the state is 'quarantined', for which nodes of the previous release hold content back too. They do not
-- know these columns, so a row of theirs may lack them.
ALTER TABLE skills ADD COLUMN quarantined_at {int};
ALTER TABLE skills ADD COLUMN quarantine_reason TEXT;
ALTER TABLE skills ADD COLUMN quarantined_from {text};
UPDATE skills SET quarantined_at = updated_at, quarantine_reason = '',
    quarantined_from = CASE WHEN published_at IS NULL THEN 'draft' ELSE 'withdrawn' END
    WHERE state = 'quarantined';
