-- The audit log. The database itself refuses to change or delete an entry; only sealing one (once) and erasing the IP
-- address of a deleted account are allowed.
CREATE TABLE audit (
    id {serial},
    happened_at {int} NOT NULL,
    -- The user whose chain it belongs to; '' is the server itself. No reference: an entry outlives everything.
    subject {text} NOT NULL,
    actor_kind {text} NOT NULL,
    actor_user {text},
    -- The token, session, authorization or operator's name that the actor used; '' for a visitor.
    actor_id {text} NOT NULL,
    -- '' if there was none, NULL once erased.
    address TEXT,
    action {text} NOT NULL,
    thing TEXT NOT NULL,
    outcome {text} NOT NULL CHECK (outcome IN ('done', 'refused')),
    -- Set when the entry is sealed: its number in the chain of its subject, from 1, and the chain's hash up to here.
    -- The hash covers the digest in place of the address, so the address can be erased.
    position {int} CHECK (position >= 1),
    salt {bytes},
    address_digest {bytes} CHECK (length(address_digest) = 32),
    hash {bytes} CHECK (length(hash) = 32),
    CHECK ((position IS NULL) = (hash IS NULL)),
    CHECK ((position IS NULL) = (address_digest IS NULL))
){strict};
CREATE UNIQUE INDEX audit_chain ON audit (subject, position) WHERE position IS NOT NULL;
CREATE INDEX audit_subject ON audit (subject, id);
CREATE INDEX audit_unsealed ON audit (id) WHERE position IS NULL;
CREATE INDEX audit_for_others ON audit (actor_user) WHERE actor_user <> subject;

-- The end of each chain, so that removing the last entries is noticed.
CREATE TABLE audit_heads (
    subject {text} NOT NULL PRIMARY KEY,
    position {int} NOT NULL CHECK (position >= 1),
    hash {bytes} NOT NULL CHECK (length(hash) = 32)
){strict};

{pg}CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
{pg}BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$;
{pg}CREATE TRIGGER audit_not_emptied BEFORE TRUNCATE ON audit EXECUTE FUNCTION audit_refuse();
{pg}CREATE TRIGGER audit_heads_not_emptied BEFORE TRUNCATE ON audit_heads EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_not_deleted BEFORE DELETE ON audit FOR EACH ROW {refuse};
CREATE TRIGGER audit_heads_not_deleted BEFORE DELETE ON audit_heads FOR EACH ROW {refuse};
CREATE TRIGGER audit_not_changed BEFORE UPDATE ON audit FOR EACH ROW WHEN (NOT (
    NEW.id = OLD.id AND NEW.happened_at = OLD.happened_at AND NEW.subject = OLD.subject
    AND NEW.actor_kind = OLD.actor_kind AND NEW.actor_user IS NOT DISTINCT FROM OLD.actor_user
    AND NEW.actor_id = OLD.actor_id AND NEW.action = OLD.action AND NEW.thing = OLD.thing AND NEW.outcome = OLD.outcome
    AND (
        (OLD.position IS NULL AND NEW.address IS NOT DISTINCT FROM OLD.address)
        OR (NEW.position IS NOT DISTINCT FROM OLD.position AND NEW.hash IS NOT DISTINCT FROM OLD.hash
            AND NEW.address_digest IS NOT DISTINCT FROM OLD.address_digest
            AND NEW.address IS NULL AND NEW.salt IS NULL)
    )
)) {refuse};
CREATE TRIGGER audit_heads_not_moved_back BEFORE UPDATE ON audit_heads FOR EACH ROW WHEN (NOT (
    NEW.subject = OLD.subject AND NEW.position > OLD.position
)) {refuse};
