-- Why the last try to send it failed; NULL: it was not tried yet.
ALTER TABLE outgoing ADD COLUMN why TEXT;
