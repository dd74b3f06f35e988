-- What a batch was issued with besides its columns, so that it is resumed with the same or not at all: JSON of
-- where OPc comes from, AMF (TS 33.102 annex H) and the call-home URL; never OP. NULL: not issued here, or begun
-- before this was noted.
ALTER TABLE batch ADD COLUMN terms TEXT;
