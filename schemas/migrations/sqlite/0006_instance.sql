-- Which process is which instance of those that share this database. An instance has INDs of its own (node_ind), so
-- two processes of one name would make each other's vectors stale (TS 33.102 §C.1.2).
CREATE TABLE instance (
    name         TEXT PRIMARY KEY, -- icf.instance
    holder       TEXT NOT NULL,    -- random, another one for each process
    host         TEXT NOT NULL,
    boot         TEXT NOT NULL,    -- the kernel's boot id: whose lock files can be trusted
    pid          INTEGER NOT NULL,
    address      TEXT NOT NULL,    -- where it listens
    started_at   INTEGER NOT NULL,
    renewed_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL, -- for people; who takes over goes by `beat` and its own monotonic clock
    beat         INTEGER NOT NULL, -- one more each time the holder shows that it lives
    claim        TEXT,             -- who wants to know, or to take over; the holder's answer removes it
    sealing_key  INTEGER NOT NULL  -- at-rest key that it seals with
) STRICT, WITHOUT ROWID;
