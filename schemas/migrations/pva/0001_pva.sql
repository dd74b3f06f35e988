-- The Platform Validation Authority. Migrations are append-only: what is released here is never edited.
--
-- Times named _at are milliseconds since 1970-01-01T00:00:00Z; those of certificates and revocations are seconds, as
-- certificates have them. Keys are SubjectPublicKeyInfo in DER (RFC 5280 §4.1.2.7), points uncompressed, so that one key
-- has one form. Nothing here is secret.

-- "Cal", 4: marks the file as Callhome's PVA's.
PRAGMA application_id = 0x43616c04;

CREATE TABLE supplier (
    id      TEXT PRIMARY KEY,
    name    TEXT NOT NULL,
    enrols  INTEGER NOT NULL CHECK (enrols IN (0, 1))
) STRICT, WITHOUT ROWID;

-- System states that are accepted of a model.
CREATE TABLE reference_value (
    supplier          TEXT NOT NULL REFERENCES supplier (id),
    model             TEXT NOT NULL,
    name              TEXT NOT NULL,
    boot_digest       BLOB NOT NULL CHECK (length(boot_digest) = 32), -- SHA-256
    software          TEXT NOT NULL, -- RFC 9711 §4.2.6
    software_version  TEXT NOT NULL, -- RFC 9711 §4.2.7
    hardware_version  TEXT,          -- RFC 9711 §4.2.5; NULL: any
    PRIMARY KEY (supplier, model, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE enrolment (
    id           TEXT PRIMARY KEY,   -- UUID
    supplier     TEXT NOT NULL REFERENCES supplier (id),
    digest       BLOB NOT NULL,      -- SHA-256 of what was signed
    received_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE platform (
    tre_id             TEXT PRIMARY KEY,
    device_id          TEXT NOT NULL UNIQUE,
    supplier           TEXT NOT NULL REFERENCES supplier (id),
    model              TEXT NOT NULL,
    public_key         BLOB NOT NULL UNIQUE,
    enrolment          TEXT NOT NULL REFERENCES enrolment (id),
    enrolled_at        INTEGER NOT NULL,
    revoked            INTEGER,      -- seconds; NULL: not revoked
    revocation_reason  INTEGER,      -- CRLReason, RFC 5280 §5.3.1
    CHECK ((revoked IS NULL) = (revocation_reason IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX platform_supplier ON platform (supplier, tre_id);

CREATE TABLE credential (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,  -- in the order of issuing
    serial             BLOB NOT NULL UNIQUE,  -- RFC 5280 §4.1.2.2, content octets without leading zeros
    tre_id             TEXT NOT NULL REFERENCES platform (tre_id),
    der                BLOB NOT NULL,
    public_key         BLOB NOT NULL,
    issued             INTEGER NOT NULL,  -- seconds
    expires            INTEGER NOT NULL,  -- seconds: notAfter
    revoked            INTEGER,           -- seconds; NULL: not revoked
    revocation_reason  INTEGER,
    CHECK ((revoked IS NULL) = (revocation_reason IS NULL))
) STRICT;

CREATE INDEX credential_platform ON credential (tre_id, id);

-- What an enrolment was answered with, so that it is answered alike when it comes again.
CREATE TABLE enrolled (
    enrolment  TEXT NOT NULL REFERENCES enrolment (id),
    position   INTEGER NOT NULL,
    serial     BLOB NOT NULL REFERENCES credential (serial),
    PRIMARY KEY (enrolment, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE nonce (
    nonce       BLOB PRIMARY KEY,
    expires_at  INTEGER NOT NULL,
    -- The session and the evidence (SHA-256) that have used it; NULL: nobody yet.
    session     TEXT,
    evidence    BLOB,
    CHECK ((session IS NULL) = (evidence IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX nonce_expires ON nonce (expires_at);

-- Every verdict: one for each session and check, however often it is asked.
CREATE TABLE verdict (
    session    TEXT NOT NULL,
    "check"    TEXT NOT NULL,
    request    BLOB NOT NULL,  -- SHA-256 of what was asked
    signed     BLOB NOT NULL,  -- the verdict, COSE_Sign1
    issued_at  INTEGER NOT NULL,
    PRIMARY KEY (session, "check")
) STRICT, WITHOUT ROWID;

CREATE INDEX verdict_issued ON verdict (issued_at);
