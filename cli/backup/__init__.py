"""Backups: one file with the database, the journal of the duty loop and, of an embedded system, its keys."""
