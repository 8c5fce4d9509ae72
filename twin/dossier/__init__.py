"""The format of dossiers: everything that an alarm rests on and led to, in one file that others open. Pure.

What may not live here: reading a database, keys, and the replay.
"""
