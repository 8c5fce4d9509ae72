-- Alarms whose stored history is to be evaluated again from a time on, because data came too late for the stream or
-- were changed in storage. A row goes when that is done, unless it has changed meanwhile.
CREATE TABLE IF NOT EXISTS alarm_repair_request (
    rule         text NOT NULL,
    entity_id    text NOT NULL,
    start        timestamptz NOT NULL,              -- event time; the earliest of all requests
    requests     bigint NOT NULL DEFAULT 1,         -- counts up with each request
    requested_at timestamptz NOT NULL,              -- log time of the last one
    -- The log must be stored up to here before: topic/partition → next offset. NULL: not determined yet.
    log_id       text,
    positions    jsonb,
    PRIMARY KEY (rule, entity_id)
);

-- Events that were added to the past of an alarm follow the event of their revision, from 1 on.
ALTER TABLE alarm_event ADD COLUMN IF NOT EXISTS amendment integer NOT NULL DEFAULT 0;
ALTER TABLE alarm_event DROP CONSTRAINT IF EXISTS alarm_event_pkey;
ALTER TABLE alarm_event ADD CONSTRAINT alarm_event_pkey PRIMARY KEY (alarm_id, revision, amendment);

-- Series whose stored points have changed from a time on: the alarms that watch them are to be repaired.
CREATE TABLE IF NOT EXISTS changed_series (
    entity_id text NOT NULL,
    name      text NOT NULL,                        -- property, indicator or roll-up
    start     timestamptz NOT NULL,                 -- event time; the earliest of all changes
    changes   bigint NOT NULL DEFAULT 1,            -- counts up with each change
    PRIMARY KEY (entity_id, name)
);
