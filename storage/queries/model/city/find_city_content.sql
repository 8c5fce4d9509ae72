-- What the city says of itself: its page, the defaults of its sensor register, the digests of its files.
-- No index: reads the one row.
SELECT site, sensor_register, files FROM city;
