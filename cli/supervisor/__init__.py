"""`livetwin up`: starts the embedded services and the roles, keeps them running and ends them in order.

No role may import it: roles run without it, too.
"""
