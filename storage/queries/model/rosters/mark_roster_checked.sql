-- Store when the copy of a team's roster was last the same as its source.
-- fetched_roster_pkey.
UPDATE fetched_roster SET checked_at = %(at)s WHERE team = %(team)s;
