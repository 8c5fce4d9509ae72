"""The format of backups: one file with the database, the journal of the duty loop and the keys.

The commands `backup` and `restore` use it. Nothing here may start or stop a service.
"""
