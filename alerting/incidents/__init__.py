"""The incidents that the duty loop handles: their state, the journal that keeps it, and the log records that
change it; nothing here contacts people.
"""
