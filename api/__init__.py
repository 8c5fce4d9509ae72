"""The outside of LiveTwin: the HTTP API, the live stream of events, and the page.

What lives here: the live view and those who follow it, the routes under /v1, how a request is checked and
an answer is written. The live view is fed by the log alone, so live state goes on while the database is away.
What may not: what an observation means (that is `twin`), SQL (that is `storage`).
"""
