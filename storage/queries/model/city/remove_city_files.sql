-- Remove the content of files that the city has no more; the parameter has the digests of those that it has.
-- No index: a city has few files.
DELETE FROM city_file WHERE sha256 <> ALL (%s);
