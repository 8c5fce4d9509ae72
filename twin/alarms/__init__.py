"""Alarms: the rules that raise them, the evaluation of rules in event time, and the states of ISA-18.2.

A rule describes a condition; bound to an entity it is evaluated over the points of its operands. The
resulting severity over time drives an alarm, which people acknowledge and shelve. Alarms of one area and one
cause form one incident. All is pure: no transport, no storage, no clock.
"""
