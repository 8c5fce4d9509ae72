"""Dossiers: everything that an alarm rests on and led to, read from the database, signed, and served.

What may not live here: the format (`twin.dossier`) and the replay (`cli.dossier`).
"""
