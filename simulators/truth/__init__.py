"""The true values of the simulated city, at any instant and in any order of calls.

Every value is a pure function of (seed, entity or sensor, instant). Nothing accumulates: the register of a
meter is an integral from a fixed day. Magnitudes are plausible for a Dutch town, but not measured. Nothing of
devices, wire formats or faults may live here.
"""
