"""The duty loop: from alarms to the right person, until somebody acknowledges.

What lives here: routing, roster, escalation, and the messages to people. It reads `alarms` and
`duty-commands`, and tells on `notifications` what became of each message. Its own state is on its own disk,
so that neither an absent database nor a lost log makes it forget whom it has told.
"""
