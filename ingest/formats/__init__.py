"""Building blocks that several decoders share (JSON, P1 telegrams, LoRaWAN metadata, times, identifiers);
pure, no decoder is registered here.
"""
