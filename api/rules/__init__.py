"""Alarm rules and their back-tests: routes, documents, the back-test queue.

Reading and checking a rule belongs to cities.
"""
