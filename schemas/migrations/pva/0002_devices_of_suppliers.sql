-- What the identities of a supplier's devices begin with: a JSON array of texts. No two suppliers have one in common.
ALTER TABLE supplier ADD COLUMN devices TEXT NOT NULL DEFAULT '[]';
