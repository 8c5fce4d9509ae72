-- How many entities are behind the value of an area, of how many, and the share that a good value needs.
ALTER TABLE observed_property
    ADD COLUMN IF NOT EXISTS coverage_min float8;                       -- NULL: by the roll-up

ALTER TABLE property_state
    ADD COLUMN IF NOT EXISTS members integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS members_expected integer NOT NULL DEFAULT 0,  -- 0: not a value of an area
    ADD COLUMN IF NOT EXISTS preliminary boolean NOT NULL DEFAULT false;   -- its slot is the newest

ALTER TABLE entity_value
    ADD COLUMN IF NOT EXISTS members integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS members_expected integer NOT NULL DEFAULT 0;
