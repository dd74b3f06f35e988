-- Numbers of a device: it gets those again that it had in sessions that came to nothing.
CREATE INDEX number_device ON number (device_id, kind);

-- Whose device the contract is for: what the PVA's verdict has to say. NULL until the first good verdict has said it.
ALTER TABLE contract ADD COLUMN supplier TEXT;
