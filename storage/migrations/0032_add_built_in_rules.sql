-- Digests of the built-in quality rules that judged what is stored, by property; NULL: those of an unknown version.
ALTER TABLE city ADD COLUMN IF NOT EXISTS built_in_rules jsonb;
