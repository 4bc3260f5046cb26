-- Queued work. A job that is done has no row.
CREATE TABLE jobs (
    id {text} NOT NULL PRIMARY KEY,
    kind {text} NOT NULL,
    -- JSON, read by the program that runs the kind.
    payload TEXT NOT NULL,
    -- Whom it is about. It is deleted with them.
    user_id {text} REFERENCES users (id),
    -- Of two waiting jobs of a kind with the same key, the second is not added.
    unique_key {text},
    priority {int} NOT NULL,
    state {text} NOT NULL CHECK (state IN ('waiting', 'running', 'dead')),
    -- 0: immediately, whatever the clock of the node says that added it.
    due_at {int} NOT NULL,
    attempts {int} NOT NULL DEFAULT 0,
    -- The worker that runs it, and a count that it raises for as long as it does.
    holder {text},
    beat {int} NOT NULL DEFAULT 0,
    error TEXT,
    created_at {int} NOT NULL,
    -- When it got into this state.
    changed_at {int} NOT NULL,
    CHECK ((state = 'running') = (holder IS NOT NULL))
){strict};
CREATE INDEX jobs_due ON jobs (due_at) WHERE state = 'waiting';
CREATE INDEX jobs_next ON jobs (kind, priority DESC, due_at, id) WHERE state = 'waiting';
CREATE UNIQUE INDEX jobs_unique ON jobs (kind, unique_key) WHERE unique_key IS NOT NULL AND state = 'waiting';
CREATE INDEX jobs_running ON jobs (id) WHERE state = 'running';
CREATE INDEX jobs_dead ON jobs (kind, changed_at) WHERE state = 'dead';
CREATE INDEX jobs_user ON jobs (user_id) WHERE user_id IS NOT NULL;

-- The last run of each scheduled kind that was added, as the moment at which it was due.
CREATE TABLE job_schedules (
    kind {text} NOT NULL PRIMARY KEY,
    slot {int} NOT NULL
){strict};
