"""The live view of the city and its event stream: reading the log, the view, subscribers, cursors, replay.

Nothing here waits for the database.
"""
