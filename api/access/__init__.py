"""Who sends a request and what they may do: API keys, access tokens, principals and their rights.

The only place that grants anything: REST, live streams and every further surface ask it.
"""
