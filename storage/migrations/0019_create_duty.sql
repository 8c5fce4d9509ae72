-- The duty plan: who is told of what, how, and who takes turns (`twin.duty.DutyPlan` without its overrides). A row
-- is never changed: another plan retires it (retired_at) and is a new row, in one transaction.
CREATE TABLE IF NOT EXISTS duty_plan (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    city_id    text NOT NULL,
    plan       jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS duty_plan_is_known ON duty_plan (city_id) WHERE retired_at IS NULL;

-- Somebody takes over a team's duty for a while. Not part of a city folder: people make them as they go.
CREATE TABLE IF NOT EXISTS duty_override (
    number       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,   -- a greater one counts before a smaller
    id           text NOT NULL UNIQUE DEFAULT gen_random_uuid()::text,
    team         text NOT NULL,                     -- ids of the plan of then
    contact      text NOT NULL,
    start        timestamptz NOT NULL,              -- inclusive
    "end"        timestamptz NOT NULL,              -- exclusive
    note         text NOT NULL,
    made_by      text NOT NULL,                     -- name of an API key
    made_at      timestamptz NOT NULL DEFAULT now(),
    withdrawn_by text,
    withdrawn_at timestamptz,
    CHECK ("end" > start)
);
-- For those that a model holds: not withdrawn, and not long over.
CREATE INDEX IF NOT EXISTS duty_override_by_end ON duty_override ("end") WHERE withdrawn_at IS NULL;
