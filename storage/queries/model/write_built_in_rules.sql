-- Note the built-in quality rules by which the history is judged, or will be once the requests are processed.
-- No index: changes the one row.
UPDATE city SET built_in_rules = %(rules)s;
