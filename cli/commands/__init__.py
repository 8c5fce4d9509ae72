"""The commands of `livetwin`: one module each, named like the command, and imported only when it runs.

Those that run a role are in `roles`.
"""
