-- The vault: secrets that have to be read again. Each record is encrypted with a data key of its own, and the data key
-- with a master key that is not in the database.

-- Master keys that nodes have sealed with, by ID. The proof is a known text, sealed with the key: it shows that a key
-- of this ID is the one that was used.
CREATE TABLE master_keys (
    id {text} NOT NULL PRIMARY KEY,
    proof_key {bytes} NOT NULL,
    proof {bytes} NOT NULL,
    added_at {int} NOT NULL
){strict};

CREATE TABLE sealed_records (
    kind {text} NOT NULL,
    id {text} NOT NULL,
    -- Whose it is, and with whom it goes. Empty: the installation's.
    owner {text} NOT NULL,
    master_key {text} NOT NULL REFERENCES master_keys (id),
    wrapped_key {bytes} NOT NULL,
    body {bytes} NOT NULL,
    sealed_at {int} NOT NULL,
    PRIMARY KEY (kind, id)
){strict};
CREATE INDEX sealed_records_master_key ON sealed_records (master_key);
CREATE INDEX sealed_records_owner ON sealed_records (owner);
