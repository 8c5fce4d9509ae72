"""The log as a Durable Stream, read only and the same for all.

`protocol` knows nothing of the log, and `live_log` nothing of HTTP.
"""
