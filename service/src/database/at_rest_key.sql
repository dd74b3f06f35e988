-- Every at-rest key that something here is sealed with, and a value sealed with it that shows at the
-- start whether the key at hand is that key.
CREATE TABLE at_rest_key (
    id      INTEGER PRIMARY KEY,
    sealed  BLOB NOT NULL
) STRICT;
