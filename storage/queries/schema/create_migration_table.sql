-- Make the table that remembers the migrations; the only one that no migration makes.
-- No index: a definition.
CREATE TABLE IF NOT EXISTS schema_migration (
    name       text PRIMARY KEY,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
