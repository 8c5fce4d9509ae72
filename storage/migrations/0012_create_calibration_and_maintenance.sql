-- What is known of a sensor from a time until a time. A row is never changed: what is known otherwise from now on
-- retires it (retired_at) and is a new row, in one transaction. So a row was known from created_at until before
-- retired_at, and a question about what was known at a time finds the calibration of that time.
CREATE TABLE IF NOT EXISTS calibration (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sensor_id  text NOT NULL REFERENCES sensor,
    property   text NOT NULL,
    start      timestamptz NOT NULL,                -- of phenomenon times, inclusive
    "end"      timestamptz,                         -- exclusive; none: still in force
    gain       float8 NOT NULL,                     -- gain × value + offset, in the canonical unit
    "offset"   float8 NOT NULL,
    note       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz,
    CHECK ("end" > start)
);
CREATE UNIQUE INDEX IF NOT EXISTS calibration_is_known ON calibration (sensor_id, property, start)
    WHERE retired_at IS NULL;
CREATE INDEX IF NOT EXISTS calibration_by_sensor ON calibration (sensor_id, property, created_at);

CREATE TABLE IF NOT EXISTS maintenance (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sensor_id  text NOT NULL REFERENCES sensor,
    start      timestamptz NOT NULL,
    "end"      timestamptz,
    note       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz,
    CHECK ("end" > start)
);
CREATE UNIQUE INDEX IF NOT EXISTS maintenance_is_known ON maintenance (sensor_id, start) WHERE retired_at IS NULL;
CREATE INDEX IF NOT EXISTS maintenance_by_sensor ON maintenance (sensor_id, created_at);

-- What has to be computed again from raw because a calibration or maintenance is known otherwise. Written in the
-- transaction that changes the model; a worker sets done_at.
CREATE TABLE IF NOT EXISTS recompute_request (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sensor_id    text NOT NULL REFERENCES sensor,
    property     text,                              -- none: all that the sensor observes, or ever observed
    start        timestamptz NOT NULL,              -- of phenomenon times, inclusive
    "end"        timestamptz,                       -- exclusive; none: to the newest
    requested_at timestamptz NOT NULL DEFAULT now(),
    done_at      timestamptz
);
CREATE INDEX IF NOT EXISTS recompute_request_is_open ON recompute_request (id) WHERE done_at IS NULL;

-- None: as is usual for a property of which nothing is said.
ALTER TABLE observed_property ADD COLUMN IF NOT EXISTS quality jsonb;      -- twin.quality_rules.QualityRules
ALTER TABLE observed_property ADD COLUMN IF NOT EXISTS retention jsonb;    -- microseconds by raw, minute and hour
ALTER TABLE observed_property ADD COLUMN IF NOT EXISTS roll_up text NOT NULL DEFAULT 'none';
ALTER TABLE observed_property ADD COLUMN IF NOT EXISTS wraps_at float8;
