-- The content of a file of the page by its digest.
-- city_file_pkey.
SELECT content FROM city_file WHERE sha256 = %s;
