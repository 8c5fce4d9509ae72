-- The calendar in the copy of a team's roster.
-- fetched_roster_pkey.
SELECT calendar FROM fetched_roster WHERE team = %(team)s;
