-- What roles with few rights do with the rights of the owner of the tables. `livetwin migrate` then takes the right to
-- call these functions from everybody (storage.schema.rights).

-- TimescaleDB lets only the owner of a table drop its chunks.
CREATE OR REPLACE FUNCTION drop_chunks_before(hypertable regclass, older_than timestamptz) RETURNS SETOF text
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp
AS $$ SELECT drop_chunks(hypertable, older_than => $2) $$;

-- Whoever changes quarantine changes its usage, but not otherwise.
ALTER FUNCTION count_quarantine_inserted() SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION count_quarantine_deleted() SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION count_quarantine_updated() SECURITY DEFINER SET search_path = public, pg_temp;
