-- What is kept of each datastream: times before which retention has removed rows, and up to which it has made
-- sure that every hour with observations has its aggregate. No row: nothing was removed, nothing is sure.
CREATE TABLE IF NOT EXISTS datastream_retention (
    datastream_id integer PRIMARY KEY,
    complete_to   timestamptz,                      -- aggregate_hour has every hour before, unless repair waits
    raw_from      timestamptz,                      -- observations before are gone
    minute_from   timestamptz,                      -- aggregate_minute and aggregate_ten_minutes before are gone
    hour_from     timestamptz                       -- aggregate_hour before is gone: aggregate_day has it
) WITH (fillfactor = 70);
