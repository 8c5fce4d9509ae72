"""Builders, clients and references that tests of several folders share; no test lives here, and no product
code imports it.
"""
