"""The command line `livetwin …` and the composition root: the only package that may import all others.

It also runs the embedded system. No work of a role may live here: roles must run without `livetwin up`.
"""
