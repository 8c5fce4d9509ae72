-- Store the content of a file of the page; the same content is stored once.
-- city_file_pkey.
INSERT INTO city_file (sha256, content) VALUES (%s, %s) ON CONFLICT (sha256) DO NOTHING;
