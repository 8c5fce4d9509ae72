-- The newest valid copy of a roster that a duty plan names by URL (`twin.model.duty.FetchedRoster`). Not part of a city
-- folder: the alerting role fetches it. One row for each team.
CREATE TABLE IF NOT EXISTS fetched_roster (
    team       text PRIMARY KEY,                   -- id of the plan of then
    calendar   text NOT NULL,                      -- iCalendar, at most 1 MiB
    changed_at timestamptz NOT NULL,               -- when this content was first fetched
    checked_at timestamptz NOT NULL                -- when it was last fetched and the same
);
