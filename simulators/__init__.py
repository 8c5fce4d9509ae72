"""A seeded city with known true values, and virtual devices that publish them in real wire formats.

`simulators.truth` computes the true values, `simulators.devices` encodes them (one module per wire format),
`simulators.faults` distorts them, and the simulate role publishes them. No decoder may live here: messages
from here test the decoders, so the two share no code.
"""
