-- What the city says of itself and of its sensors: its page (`twin.model.site.Site`), the defaults of the sensor
-- register (`twin.model.sensor_register.SensorRegister`), and the SHA-256 of each file of the page by its name.
ALTER TABLE city
    ADD COLUMN IF NOT EXISTS site jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS sensor_register jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS files jsonb NOT NULL DEFAULT '{}';

-- What the folder says of the sensor for the register (`RegisterEntry`), without what its kind has.
ALTER TABLE sensor ADD COLUMN IF NOT EXISTS register jsonb NOT NULL DEFAULT '{}';

-- The content of the files that city.files names, and of no others.
CREATE TABLE IF NOT EXISTS city_file (
    sha256  text PRIMARY KEY,                       -- hex
    content bytea NOT NULL
);
