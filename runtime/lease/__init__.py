"""A lease in the log: of several processes of a role one works, and the order of a topic decides which.

What may not live here: what the working process does, and what its records contain.
"""
