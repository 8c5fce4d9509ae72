-- The newest of everything, rewritten all the time. fillfactor 50 leaves room for the next version of every row
-- on its own page, so that updates stay HOT: no index grows, and pages clean themselves up. Only primary keys are indexed.
CREATE TABLE IF NOT EXISTS datastream_state (
    datastream_id   integer PRIMARY KEY,
    phenomenon_time timestamptz NOT NULL,
    received_time   timestamptz NOT NULL,
    value           float8 NOT NULL,
    flags           smallint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS property_state (
    entity_id       text NOT NULL,
    property        text NOT NULL,
    revision        bigint NOT NULL,                -- of the entity
    value           float8 NOT NULL,
    phenomenon_time timestamptz NOT NULL,
    received_time   timestamptz NOT NULL,
    flags           smallint NOT NULL,
    datastream_ids  integer[] NOT NULL,             -- that the value is combined from
    PRIMARY KEY (entity_id, property)
) WITH (fillfactor = 50);

-- How far the historian is in each log, written in the same transaction as the rows.
CREATE TABLE IF NOT EXISTS log_position (
    log_id      text NOT NULL,                      -- Kafka's cluster id
    topic       text NOT NULL,
    partition   integer NOT NULL,
    next_offset bigint NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (log_id, topic, partition)
) WITH (fillfactor = 50);
