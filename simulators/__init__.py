"""A seeded city that knows its own truth, and virtual devices that tell it in real wire formats.

What lives here: the truth (`simulators.truth`, pure functions of seed, thing and instant), the devices
(`simulators.devices`, one module a wire format) and the role that publishes what they say. What may not:
anything that decodes. The decoders are judged by what is written here, so the two share no code.
"""
