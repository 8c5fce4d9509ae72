-- Values of entities that follow from others: indicators, roll-ups over an area, published sums. The newest of
-- each is in property_state besides.
CREATE TABLE IF NOT EXISTS entity_value (
    phenomenon_time timestamptz NOT NULL,
    revision        bigint NOT NULL,                -- of the entity; a greater one replaces a smaller
    value           float8 NOT NULL,
    entity_id       text NOT NULL,
    name            text NOT NULL,                  -- of the indicator
    count           integer NOT NULL,               -- of datastreams or connections behind the value
    flags           smallint NOT NULL
);

-- An entity has some ten indicators that change with each report: about a tenth of what 0003 counts.
SELECT create_hypertable(
    'entity_value', by_range('phenomenon_time', INTERVAL '7 days'),
    create_default_indexes => FALSE, if_not_exists => TRUE
);
CREATE UNIQUE INDEX IF NOT EXISTS entity_value_key ON entity_value (entity_id, name, phenomenon_time);

ALTER TABLE property_state
    ADD COLUMN IF NOT EXISTS kind smallint NOT NULL DEFAULT 0,          -- `twin.messages.UpdateKind`
    ADD COLUMN IF NOT EXISTS last_good_value float8,                    -- beside a value that is suspect
    ADD COLUMN IF NOT EXISTS last_good_time timestamptz,
    ADD COLUMN IF NOT EXISTS deviating integer[] NOT NULL DEFAULT '{}', -- datastreams that disagree
    ADD COLUMN IF NOT EXISTS count integer NOT NULL DEFAULT 1;

-- A state is judged again when something comes in before it: what was told last holds, and that is what has the
-- greater revision of its entity.
ALTER TABLE datastream_state ADD COLUMN IF NOT EXISTS revision bigint NOT NULL DEFAULT 0;

-- Households' values are told as datastream states only; what an earlier version combined from them goes.
DELETE FROM property_state
USING datastream JOIN sensor ON sensor.id = datastream.sensor_id
WHERE sensor.personal AND property_state.kind = 0 AND datastream.id = ANY(property_state.datastream_ids);
