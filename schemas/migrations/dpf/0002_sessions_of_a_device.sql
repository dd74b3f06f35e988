-- How many sessions a device has opened of late: by its TRE if a certificate said who it is, else by its triple's PCID.
CREATE INDEX session_opened_by_tre ON session (tre_id, created_at) WHERE certified IS NOT NULL;
CREATE INDEX session_opened_by_pcid ON session (pcid, created_at) WHERE certified IS NULL;
