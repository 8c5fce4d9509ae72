"""Formats that several decoders share: JSON, P1 telegrams, LoRaWAN metadata, times, identifiers.

What may not live here: a registered decoder, and anything that is not pure.
"""
