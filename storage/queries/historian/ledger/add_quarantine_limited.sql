-- Count messages of which quarantine keeps the head only, and those that are only counted.
-- quarantine_limited_pkey.
UPDATE quarantine_limited SET heads = heads + %s, counted = counted + %s WHERE alone;
