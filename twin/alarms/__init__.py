"""Alarms: the rules that raise them, the evaluation of rules in event time, and the states of ISA-18.2.

A *rule* says when something is wrong; bound to an entity it is evaluated over the *points* of its operands.
What it comes to is a *course*: which severity held from when on. The course drives an *alarm*, which people
acknowledge and shelve. Alarms of one area and one cause are one *incident*.
"""
