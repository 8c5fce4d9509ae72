"""Two alertings on two hosts: one works, the other follows its journal over the log and takes over.

What may not live here: who may work (see `runtime.lease`), and what the duty loop does.
"""
