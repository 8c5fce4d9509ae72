"""The truth of the simulated city: what is the case at any instant, asked in any order.

Every value is a pure function of (seed, entity or sensor, instant). Nothing accumulates: what counts, such as
a meter's register, is an integral that is worked out from a fixed day. Magnitudes are plausible for a Dutch
town; they are made up, not measured.
"""
