-- Store the copy of a team's roster that was fetched at a time.
-- fetched_roster_pkey.
INSERT INTO fetched_roster (team, calendar, changed_at, checked_at)
VALUES (%(team)s, %(calendar)s, %(at)s, %(at)s)
ON CONFLICT (team) DO UPDATE SET
    calendar = EXCLUDED.calendar, changed_at = EXCLUDED.changed_at, checked_at = EXCLUDED.checked_at;
