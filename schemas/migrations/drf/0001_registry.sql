PRAGMA application_id = 1130458113;

-- SHO directory (seed, section 4.2).
CREATE TABLE operator (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    -- JSON array of MCC-MNC (TS 23.003 2.2).
    plmns TEXT NOT NULL,
    -- DPF of its own; NULL: the registry's.
    dpf TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE device (
    pcid TEXT PRIMARY KEY NOT NULL,
    device_id TEXT NOT NULL UNIQUE,
    supplier TEXT NOT NULL,
    model TEXT,
    subscriber TEXT,
    -- Salt and HMAC-SHA-256 of the claim code, sealed with the at-rest key.
    claim_code BLOB,
    -- By operator.
    contract TEXT REFERENCES operator (id),
    -- By subscriber.
    claimed TEXT REFERENCES operator (id),
    -- Whose subscriber it is now (step 19).
    current TEXT REFERENCES operator (id),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX device_contract ON device (contract) WHERE contract IS NOT NULL;
CREATE INDEX device_claimed ON device (claimed) WHERE claimed IS NOT NULL;
CREATE INDEX device_current ON device (current) WHERE current IS NOT NULL;

CREATE TABLE rule (
    id TEXT PRIMARY KEY NOT NULL,
    priority INTEGER NOT NULL,
    supplier TEXT,
    imsi_first TEXT,
    imsi_last TEXT,
    operator TEXT NOT NULL REFERENCES operator (id)
) STRICT, WITHOUT ROWID;

-- The last sequence number of an RNCT for a PCID; outlives the device's entry, so that numbers never come again.
CREATE TABLE sequence (
    pcid TEXT PRIMARY KEY NOT NULL,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What the ICF told (step 6), and what devices told that came by themselves.
CREATE TABLE notice (
    id TEXT PRIMARY KEY NOT NULL,
    pcid TEXT NOT NULL,
    -- IP address and port of CoAP.
    address TEXT NOT NULL,
    -- The notice as it came, JSON.
    content TEXT NOT NULL,
    -- 1: 3GPP access, known from the ICF; 0: the device itself.
    over_3gpp INTEGER NOT NULL,
    -- waiting (for a binding), triggered, kept (R13), superseded.
    state TEXT NOT NULL,
    received_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX notice_waiting ON notice (pcid) WHERE state = 'waiting';
CREATE INDEX notice_received ON notice (received_at);

-- Where a device was last.
CREATE TABLE place (
    pcid TEXT PRIMARY KEY NOT NULL,
    address TEXT NOT NULL,
    over_3gpp INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE trigger_sent (
    -- The RNCT's id.
    id TEXT PRIMARY KEY NOT NULL,
    pcid TEXT NOT NULL,
    operator TEXT NOT NULL,
    kind TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    -- As it is sent: COSE_Sign1.
    rnct BLOB NOT NULL,
    -- Where to; NULL: only for a device that asks.
    address TEXT,
    over_3gpp INTEGER NOT NULL,
    -- Id of the TriggerRequest, if it was asked for.
    request TEXT UNIQUE,
    -- pending, delivered, acknowledged, rejected, expired.
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (pcid, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX trigger_issued ON trigger_sent (issued_at, id);

-- How provisioning ended (step 19).
CREATE TABLE provisioned (
    session TEXT PRIMARY KEY NOT NULL,
    pcid TEXT NOT NULL,
    operator TEXT NOT NULL,
    result TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Wrong claim codes, by what was to be claimed.
CREATE TABLE claim_failure (
    target TEXT PRIMARY KEY NOT NULL,
    failures INTEGER NOT NULL,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
