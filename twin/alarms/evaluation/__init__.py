"""The evaluation of a bound rule over the points of its operands, in event time, and what it changes in an
alarm; no transport and no storage.
"""
