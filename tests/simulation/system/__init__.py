"""The real intake, stages, historian rules and duty loop in virtual time, with a log and a database in
memory.
"""
