-- The areas to which an API key is limited; NULL: the whole city.
ALTER TABLE api_token ADD COLUMN IF NOT EXISTS areas text[];
