-- The Selected Home Operator: its numbers, its contracts, and what it has provisioned. One operator a database.
-- Times are milliseconds since 1970 UTC.

PRAGMA application_id = 1130458115; -- 0x43616c03

-- Whose database this is: another operator's configuration does not open it.
CREATE TABLE operator (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL
) STRICT;

-- Numbers that may be handed out. `next` numbers, from `first`, have been handed out at least once.
CREATE TABLE number_range (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('imsi', 'msisdn')),
    first TEXT NOT NULL, -- TS 23.003 §2.2, ITU-T E.164
    count INTEGER NOT NULL CHECK (count > 0),
    next INTEGER NOT NULL DEFAULT 0 CHECK (next BETWEEN 0 AND count),
    delegated INTEGER NOT NULL, -- the DPF allots them by our rules; we do not
    closed INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- A number that was handed out once. Its row is never deleted: that is what makes it unique.
CREATE TABLE number (
    kind TEXT NOT NULL,
    number TEXT NOT NULL,
    range_id TEXT NOT NULL REFERENCES number_range (id),
    state TEXT NOT NULL CHECK (state IN ('assigned', 'quarantine', 'retired')),
    device_id TEXT NOT NULL,
    session TEXT NOT NULL,
    free_at INTEGER, -- of a quarantine: may be handed out again from then on
    PRIMARY KEY (kind, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX number_free ON number (kind, free_at) WHERE state = 'quarantine';

CREATE TABLE contract (
    device_id TEXT PRIMARY KEY,
    terms TEXT NOT NULL, -- JSON
    suspended INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Executables and data that plans add to an RNCP.
CREATE TABLE part (
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    shared INTEGER NOT NULL,
    sensitive INTEGER NOT NULL,
    content BLOB NOT NULL, -- sealed if sensitive
    size INTEGER NOT NULL, -- octets, unsealed
    digest TEXT NOT NULL,  -- SHA-256 of the unsealed content
    updated_at INTEGER NOT NULL
) STRICT;

-- One provisioning session of a DPF: steps 10 to 15 and 19. Its state is the only word on how far it is.
CREATE TABLE session (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    pcid TEXT NOT NULL,
    device_id TEXT NOT NULL,
    tre_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    nonce BLOB NOT NULL,
    evidence BLOB,                 -- until it is validated
    evidence_digest BLOB NOT NULL, -- SHA-256
    terms TEXT,                    -- JSON: the contract's, as they were when it was validated
    platform_certificate BLOB,     -- DER, as the verdict says
    verdict BLOB,
    verdict_expires INTEGER,
    rncp TEXT,
    numbering TEXT,       -- new, keep (IMSI and K), rekey (IMSI)
    imsi TEXT,
    msisdn TEXT,
    sealed BLOB,          -- K and OPc, until the HSS has them and retention has passed
    amf BLOB,
    previous TEXT,        -- the session whose RNCP this one replaces
    replaces_imsi TEXT,   -- an IMSI that goes out of use with it
    generated INTEGER NOT NULL DEFAULT 0, -- by the DPF
    manifest BLOB,
    expires_at INTEGER,   -- of the package
    refusal TEXT,         -- JSON
    answered_at INTEGER,  -- from here on the RNCP may be in a device
    spent INTEGER NOT NULL DEFAULT 0, -- withdrawn, and nobody can say that the device has not got it
    result TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX session_device ON session (device_id);
CREATE INDEX session_imsi ON session (imsi);
CREATE INDEX session_open ON session (state, updated_at) WHERE state NOT IN ('closed', 'withdrawn', 'refused');
CREATE INDEX session_sealed ON session (updated_at) WHERE sealed IS NOT NULL OR manifest IS NOT NULL;

CREATE TABLE session_part (
    session TEXT NOT NULL REFERENCES session (id),
    at INTEGER NOT NULL,
    octets BLOB NOT NULL, -- as it travels
    PRIMARY KEY (session, at)
) STRICT, WITHOUT ROWID;

-- What was done for a session at one HSS.
CREATE TABLE publication (
    session TEXT NOT NULL REFERENCES session (id),
    connector TEXT NOT NULL,
    stage TEXT NOT NULL, -- attempted, cleared, done, restoring, undone
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (session, connector)
) STRICT, WITHOUT ROWID;

-- Our subscribers.
CREATE TABLE subscription (
    imsi TEXT PRIMARY KEY,
    msisdn TEXT,
    device_id TEXT NOT NULL,
    tre_id TEXT NOT NULL,
    pcid TEXT NOT NULL,
    terms TEXT NOT NULL, -- JSON
    state TEXT NOT NULL CHECK (state IN ('prepared', 'active', 'withdrawn')),
    session TEXT,        -- whose RNCP is installed
    rncp TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX subscription_device ON subscription (device_id, state);
