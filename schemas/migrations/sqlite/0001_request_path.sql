-- What an S6a request needs. Migrations are append-only: what is released here is never edited.
--
-- An IMSI is stored as its digits with a 1 in front, read as a number: 001010000000001 is
-- 1001010000000001. So leading zeros stay, and the key is SQLite's rowid. Times are seconds since
-- 1970-01-01T00:00:00Z. An address is an octet 4 or 6 and then its 4 or 16 octets.

-- "Call": marks the file as Callhome's.
PRAGMA application_id = 0x43616c6c;

-- Every at-rest key that something here is sealed with, and a value sealed with it that shows at the
-- start whether the key at hand is that key.
CREATE TABLE at_rest_key (
    id      INTEGER PRIMARY KEY,
    sealed  BLOB NOT NULL
) STRICT;

CREATE TABLE profile (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    name     TEXT NOT NULL UNIQUE,
    -- APN-Configuration-Profile, AMBR, access restriction (TS 29.272 §7.3.34, §7.3.41, §7.3.31) and what
    -- limits a provisional credential, as JSON.
    body     TEXT NOT NULL,
    version  INTEGER NOT NULL
) STRICT;

CREATE TABLE credential (
    imsi           INTEGER PRIMARY KEY, -- TS 23.008 §2.1.1.1
    sealed         BLOB,                -- K ‖ OPc (TS 33.102 §6.3.2, TS 35.206 §4.1), sealed; NULL: pool of vectors
    triple         BLOB,                -- call-home URL, user, password, sealed
    amf            INTEGER NOT NULL,    -- TS 33.102 annex H
    ind_bitlen     INTEGER NOT NULL,    -- TS 33.102 C.1.1.1
    state          TEXT NOT NULL,
    profile_id     INTEGER NOT NULL REFERENCES profile (id),
    expires_at     INTEGER,
    attach_budget  INTEGER,
    attaches       INTEGER NOT NULL,
    address        BLOB,                -- Served-Party-IP-Address, TS 29.272 §7.3.35
    msisdn         TEXT,                -- TS 23.008 §2.1.2
    mode           TEXT NOT NULL,
    batch          TEXT,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    version        INTEGER NOT NULL
) STRICT;

CREATE INDEX credential_profile ON credential (profile_id);
CREATE INDEX credential_batch ON credential (batch) WHERE batch IS NOT NULL;
CREATE UNIQUE INDEX credential_address ON credential (address) WHERE address IS NOT NULL;
-- Addresses that can be taken back.
CREATE INDEX credential_expiring_address ON credential (expires_at)
    WHERE address IS NOT NULL AND expires_at IS NOT NULL;
CREATE INDEX credential_disabled_address ON credential (address) WHERE address IS NOT NULL AND state = 'disabled';

-- The highest SEQ ever promised to anybody (TS 33.102 §6.3.2, C.1). No foreign key: it outlives the
-- credential, so that an IMSI stored again never repeats a SEQ.
CREATE TABLE sequence (
    imsi          INTEGER PRIMARY KEY,
    seq_reserved  INTEGER NOT NULL
) STRICT;

CREATE TABLE registration (
    imsi           INTEGER NOT NULL REFERENCES credential (imsi) ON DELETE CASCADE,
    kind           TEXT NOT NULL,    -- mme or sgsn: an HSS keeps one of each (TS 29.272 §5.2.1.1.3)
    host           TEXT NOT NULL,    -- MME/SGSN address: Origin-Host, TS 23.008 §2.4.5
    realm          TEXT NOT NULL,    -- Origin-Realm
    visited_plmn   BLOB NOT NULL,    -- Visited-PLMN-Id, TS 29.272 §7.3.9
    rat            INTEGER NOT NULL, -- RAT-Type, TS 29.212 §5.3.31
    address        BLOB,
    imei           TEXT,             -- Terminal-Information, TS 29.272 §7.3.3
    registered_at  INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    purged         INTEGER NOT NULL, -- "MS purged", TS 29.272 §5.2.1.3.3
    revoke_at      INTEGER,          -- when the credential ends; 0 when it is not active; NULL: never, or purged
    PRIMARY KEY (imsi, kind)
) STRICT, WITHOUT ROWID;

CREATE INDEX registration_expires ON registration (expires_at);
CREATE INDEX registration_revoke ON registration (revoke_at) WHERE revoke_at IS NOT NULL;

-- Which addresses of a pool were never given out: `next` and those after it, as a blob like an address.
CREATE TABLE address_pool (
    pool  TEXT PRIMARY KEY,
    next  BLOB
) STRICT, WITHOUT ROWID;

-- Addresses that were given out and are free again.
CREATE TABLE address_free (
    address  BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- IND for each ICF instance and requesting node, TS 33.102 C.1.1.1, C.3.4. Never deleted: IND number n is
-- given out the n-th time modulo 32.
CREATE TABLE node_ind (
    instance  TEXT NOT NULL,
    node      TEXT NOT NULL,
    ind       INTEGER NOT NULL,
    PRIMARY KEY (instance, node)
) STRICT, WITHOUT ROWID;

-- Requests of the HSS that have not been answered: CLR, IDR (TS 29.272 §5.2.1.2, §5.2.2.1).
CREATE TABLE outgoing (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    imsi      INTEGER NOT NULL,
    host      TEXT NOT NULL,
    realm     TEXT NOT NULL,
    message   TEXT NOT NULL,
    attempts  INTEGER NOT NULL,
    due_at    INTEGER NOT NULL
) STRICT;

CREATE INDEX outgoing_due ON outgoing (due_at);

CREATE TABLE event (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    imsi    INTEGER,
    detail  TEXT NOT NULL
) STRICT;
