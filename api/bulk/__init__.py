"""Downloads of stored rows as files, for researchers: CSV, JSON lines, Arrow and Parquet.

A source (`observations`, `alarm_events`) reads pages in one order; `encoders` write them; `download` sends
what they write and bounds it. What a role may see is decided by the rooms whose rows they are.
"""
