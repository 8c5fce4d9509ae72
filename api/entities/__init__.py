"""Entities and datastreams of the city model: routes, documents and the filters that select them.

Stored values belong to api.history.
"""
