-- The greatest age of an observation at its reception, by property.
ALTER TABLE observed_property
    ADD COLUMN IF NOT EXISTS age_max interval;                          -- NULL: the limit of ingest
