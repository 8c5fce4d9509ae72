"""`livetwin …`: the composition root. The only package that knows all others, and the embedded system.

What may not live here: anything that a role needs to do its work; roles must run without `livetwin up`.
"""
