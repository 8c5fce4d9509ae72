"""The duty loop: notifies the right person of each incident, until somebody acknowledges it.

Routing, roster, escalation and delivery live here. The role reads `alarms` and `duty-commands`, and publishes
the outcome of each message on `notifications`. Its state is a journal on its own disk: neither an unavailable
database nor a lost log makes it forget whom it has notified.
"""
