-- The copies of the rosters that a plan names by URL, by team.
-- No index: a row for each team.
SELECT team, calendar, changed_at, checked_at FROM fetched_roster ORDER BY team;
