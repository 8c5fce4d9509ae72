-- Store that a migration was applied, with its checksum.
-- schema_migration_pkey.
INSERT INTO schema_migration (name, checksum) VALUES (%s, %s);
