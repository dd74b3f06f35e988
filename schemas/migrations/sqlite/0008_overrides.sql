-- What a subscriber has otherwise than its profile: a partial profile as JSON. NULL: nothing.
ALTER TABLE credential ADD COLUMN overrides TEXT;

-- Static addresses by APN, in lower case, that overrides give (Served-Party-IP-Address, TS 29.272 §7.3.35): each is one
-- subscriber's, and no pool assigns it.
CREATE TABLE apn_address (
    apn      TEXT NOT NULL,
    address  BLOB NOT NULL,
    imsi     INTEGER NOT NULL REFERENCES credential (imsi) ON DELETE CASCADE,
    PRIMARY KEY (apn, address)
) STRICT, WITHOUT ROWID;

CREATE INDEX apn_address_imsi ON apn_address (imsi);
CREATE INDEX apn_address_address ON apn_address (address);
