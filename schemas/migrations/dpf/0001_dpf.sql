-- The Download and Provisioning Function. Migrations are append-only: what is released here is never edited.
--
-- Times are milliseconds since 1970-01-01T00:00:00Z. Nothing here opens anything: what is secret in an RNCP is encrypted
-- to the platform key of its device, and what a rule generates is encrypted to its operator as well before it is stored.

-- "Cal", 2: marks the file as Callhome's DPF's.
PRAGMA application_id = 0x43616c02;

-- Provisioning sessions (seed, section 5 steps 9 to 19).
CREATE TABLE session (
    id                    TEXT PRIMARY KEY,  -- UUID of version 7: in the order of their opening
    trigger_id            TEXT NOT NULL,     -- of the RNCT
    pcid                  TEXT NOT NULL,     -- TS 23.003 §2.2
    device_id             TEXT NOT NULL,
    tre_id                TEXT NOT NULL,
    kind                  TEXT NOT NULL CHECK (kind IN ('initial', 'update', 'change')),
    operator              TEXT NOT NULL,
    state                 TEXT NOT NULL CHECK (state IN ('opened', 'relaying', 'generating', 'authorised', 'validating',
                              'downloading', 'reported', 'closed', 'refused', 'failed', 'expired')),
    nonce                 BLOB NOT NULL,     -- RFC 9711 §4.1
    certified             BLOB,              -- the certificate of the TLS connection that opened it, DER
    evidence              BLOB,              -- NULL: not there yet, or not needed any more
    evidence_digest       BLOB,              -- SHA-256
    platform_certificate  BLOB,              -- DER: by whose key reports are signed
    rncp                  TEXT,              -- UUID
    manifest              BLOB,              -- COSE_Sign1
    check_download        INTEGER NOT NULL DEFAULT 0 CHECK (check_download IN (0, 1)),
    generated             BLOB,              -- JSON of what the operator is told (R17); NULL: nothing, or it knows
    report                BLOB,              -- COSE_Sign1
    result                TEXT,              -- what the device reported, or what became of it
    reason                TEXT,              -- the device's word, if it failed
    refusal               TEXT,              -- JSON
    created_at            INTEGER NOT NULL,
    entered_at            INTEGER NOT NULL,  -- when the state was
    expires_at            INTEGER NOT NULL,
    UNIQUE (trigger_id, pcid, device_id, tre_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX session_expiry ON session (expires_at)
    WHERE state IN ('opened', 'relaying', 'generating', 'authorised', 'validating', 'downloading');
CREATE INDEX session_driven ON session (state) WHERE state IN ('relaying', 'generating', 'validating');
CREATE INDEX session_of_operator ON session (operator, id);
CREATE INDEX session_of_pcid ON session (pcid, id);
CREATE INDEX session_open_of_tre ON session (tre_id)
    WHERE state IN ('opened', 'relaying', 'generating', 'authorised', 'validating', 'downloading');
CREATE INDEX session_ended ON session (entered_at) WHERE state IN ('closed', 'refused', 'failed', 'expired');

-- What happened to a session, step by step.
CREATE TABLE step (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    session  TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    at       INTEGER NOT NULL,
    step     TEXT NOT NULL,
    state    TEXT NOT NULL,                  -- the state afterwards
    detail   TEXT
) STRICT;

CREATE INDEX step_of_session ON step (session, id);

-- Parts of RNCPs as they travel, once an operator however many sessions name them, in pieces so that no part has to be in
-- memory as a whole.
CREATE TABLE part (
    operator  TEXT NOT NULL,
    digest    TEXT NOT NULL,                 -- SHA-256, hexadecimal
    size      INTEGER NOT NULL,              -- octets
    PRIMARY KEY (operator, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE piece (
    operator  TEXT NOT NULL,
    digest    TEXT NOT NULL,
    number    INTEGER NOT NULL,              -- from 0; each but the last is as long as store/parts.rs says
    octets    BLOB NOT NULL,
    PRIMARY KEY (operator, digest, number),
    FOREIGN KEY (operator, digest) REFERENCES part (operator, digest) ON DELETE CASCADE
) STRICT;

-- What a session may download.
CREATE TABLE session_part (
    session   TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    number    INTEGER NOT NULL,              -- as in the manifest
    operator  TEXT NOT NULL,
    digest    TEXT NOT NULL,
    size      INTEGER NOT NULL,
    PRIMARY KEY (session, number),
    FOREIGN KEY (operator, digest) REFERENCES part (operator, digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX session_part_of ON session_part (operator, digest);

-- An operator's rules, by which RNCPs are made for it (seed, section 4.3).
CREATE TABLE rule (
    operator    TEXT NOT NULL,
    name        TEXT NOT NULL,
    first_imsi  TEXT NOT NULL,               -- TS 23.003 §2.2; of as many digits as the last
    last_imsi   TEXT NOT NULL,
    home_plmn   TEXT NOT NULL,
    apn         TEXT NOT NULL,               -- TS 23.003 §9.1
    amf         BLOB NOT NULL CHECK (length(amf) = 2), -- TS 33.102 annex H
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    PRIMARY KEY (operator, name)
) STRICT, WITHOUT ROWID;

-- IMSIs that rules have given away. A number is one device's for good: it is never given to another.
CREATE TABLE allocation (
    imsi          TEXT PRIMARY KEY,
    operator      TEXT NOT NULL,
    rule          TEXT NOT NULL,
    device_id     TEXT NOT NULL,
    tre_id        TEXT NOT NULL,
    session       TEXT NOT NULL,             -- the last one that it was used in
    allocated_at  INTEGER NOT NULL,
    UNIQUE (operator, rule, device_id, tre_id)
) STRICT, WITHOUT ROWID;

-- Updates that operators asked for (R17), so that the same is not done twice.
CREATE TABLE update_request (
    id           TEXT PRIMARY KEY,           -- UUID
    operator     TEXT NOT NULL,
    body         TEXT NOT NULL,              -- JSON
    received_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
