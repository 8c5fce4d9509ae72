"""`livetwin up`: start the embedded services and the roles, keep them running and stop them in order.

No role may import this package: roles also run without it.
"""
