-- Derived values may be amended, withdrawn, and computed again from what is stored.

-- NULL: there is no value at this time any more. The row stays, since its revision holds off earlier ones.
ALTER TABLE entity_value ALTER COLUMN value DROP NOT NULL;

-- The greatest revision of an amendment of a series: property_state has those of the newest values only.
CREATE TABLE IF NOT EXISTS amended_series (
    entity_id text NOT NULL,
    name      text NOT NULL,
    revision  bigint NOT NULL,
    PRIMARY KEY (entity_id, name)
);

-- Days in which derived values are to be computed again, since their inputs came too late for the memory of the
-- stream. A row goes when that is done, unless it was requested once more meanwhile.
CREATE TABLE IF NOT EXISTS series_repair_request (
    entity_id  text NOT NULL,
    name       text NOT NULL,                       -- of the derived value; empty: all of the entity
    day        timestamptz NOT NULL,                -- its start, UTC
    log_id     text NOT NULL,                       -- empty: all that is needed is stored
    partition  integer NOT NULL,                    -- of the topic observations
    log_offset bigint NOT NULL,                     -- of the last record whose observations are meant; -1: of areas
    requests   bigint NOT NULL DEFAULT 1,           -- how often it was requested
    PRIMARY KEY (entity_id, name, day)
);
