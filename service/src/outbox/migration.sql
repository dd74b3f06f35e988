-- Messages to others, until they have arrived. Times are milliseconds since 1970-01-01T00:00:00Z.
CREATE TABLE outgoing_message (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    topic       TEXT NOT NULL,
    key         TEXT NOT NULL,    -- the receiver tells repetitions by it
    body        BLOB,             -- NULL: ended
    created_at  INTEGER NOT NULL,
    next_at     INTEGER NOT NULL, -- when it is tried
    give_up_at  INTEGER NOT NULL,
    attempts    INTEGER NOT NULL,
    ended_at    INTEGER,          -- NULL: on its way
    outcome     TEXT,             -- 'done', or why it was given up
    UNIQUE (topic, key)
) STRICT;

CREATE INDEX outgoing_message_due ON outgoing_message (topic, next_at) WHERE ended_at IS NULL;
CREATE INDEX outgoing_message_ended ON outgoing_message (ended_at) WHERE ended_at IS NOT NULL;
