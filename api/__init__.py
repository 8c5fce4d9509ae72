"""The HTTP API, the live event stream and the web page.

Here live the routes under /v1, request checks, response documents, and the live view with its subscribers.
Only the log feeds the live view, so live state is served while the database is unavailable. The meaning of
observations belongs to `twin`, SQL to `storage`.
"""
