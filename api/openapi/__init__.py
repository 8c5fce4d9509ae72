"""The OpenAPI document of the API, from what its routes declare; nothing here answers anything else."""
