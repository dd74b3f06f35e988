-- Pools of ready vectors, batches, audit log, kept answers.

-- Vectors of credentials whose K never came here. One that was handed out keeps its RAND (sealed is NULL),
-- also when the credential is deleted: a RAND is never used twice (TS 33.102 §6.3.2).
CREATE TABLE vector (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    imsi    INTEGER NOT NULL,
    rand    BLOB NOT NULL,  -- TS 23.008 §2.3.1
    sealed  BLOB,           -- XRES, AUTN, KASME (TS 33.401 §6.1.2), sealed; NULL: handed out
    UNIQUE (imsi, rand)
) STRICT;

CREATE INDEX vector_left ON vector (imsi, id) WHERE sealed IS NOT NULL;
CREATE INDEX credential_pool ON credential (imsi) WHERE sealed IS NULL;

CREATE TABLE batch (
    id          TEXT PRIMARY KEY,
    mode        TEXT NOT NULL,
    first_imsi  INTEGER,
    count       INTEGER NOT NULL,
    done        INTEGER NOT NULL,
    profile     TEXT NOT NULL,
    party       TEXT,
    created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    who      TEXT NOT NULL,
    action   TEXT NOT NULL,
    target   TEXT NOT NULL,
    outcome  TEXT NOT NULL
) STRICT;

-- Answers kept for an Idempotency-Key; they hold no secret.
CREATE TABLE kept_answer (
    who      TEXT NOT NULL,
    key      TEXT NOT NULL,
    request  BLOB NOT NULL,
    status   INTEGER NOT NULL,
    body     BLOB NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (who, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX kept_answer_at ON kept_answer (at);
