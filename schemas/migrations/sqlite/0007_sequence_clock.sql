-- A floor by time under each IMSI's sequence numbers (TS 33.102 §C.1.1.2, §C.1.1.3): SEQ is at least GLC + DIF, where GLC
-- counts ticks of two seconds since 2026-11-01T00:00:00Z. DIF is 0 unless the IMSI is ahead of GLC.
ALTER TABLE sequence ADD COLUMN seq_offset INTEGER NOT NULL DEFAULT 0; -- DIF
UPDATE sequence SET seq_offset = seq_reserved - max(0, (unixepoch() - 1793491200) / 2)
    WHERE seq_reserved > max(0, (unixepoch() - 1793491200) / 2);

-- What the database knows of the high-water mark, which is a file outside of it. The mark is written before this row is.
CREATE TABLE sequence_clock (
    only           INTEGER PRIMARY KEY CHECK (only = 1),
    lineage        TEXT NOT NULL,    -- random, also in the mark: the mark is this database's
    high           INTEGER NOT NULL, -- the mark, in ticks
    base           INTEGER NOT NULL, -- the tick that floors were counted from when `high` was written
    margin         INTEGER NOT NULL, -- what is skipped above SEQ_MS in a resynchronisation, and by an import
    vectors_taken  INTEGER NOT NULL, -- vectors handed out of all pools
    vectors_held   INTEGER NOT NULL  -- vectors with this id or a lower one may have been handed out: not used
) STRICT;
