"""Reproducible noise: pseudo-random numbers as functions of (stream, position).

A stream is a 64-bit hash of the seed and of names, so each use has its own. Noise between lattice points is
smooth (C1), so derived values are continuous in time.
"""

from __future__ import annotations

from hashlib import blake2b
from math import floor

_MASK = (1 << 64) - 1
_SCALE = 2.0**-53


def noise_stream(seed: int, *names: str) -> int:
    """Return the noise stream for a seed and names."""
    text = "\x1f".join((str(seed), *names)).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")


def uniform(source: int, position: int) -> float:
    """Return a number in [0, 1), a function of the stream and an integer position.

    The mixing function is the finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom
    number generators, OOPSLA 2014).
    """
    mixed = (source + position * 0x9E3779B97F4A7C15) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((mixed ^ (mixed >> 31)) >> 11) * _SCALE


def uniform_between(source: int, position: int, low: float, high: float) -> float:
    """Return a number in [low, high)."""
    return low + (high - low) * uniform(source, position)


def smooth_noise(source: int, position: float) -> float:
    """Return smooth noise in [-1, 1] at a real position; it varies over a distance of about one."""
    cell = floor(position)
    part = position - cell
    left = uniform(source, cell)
    eased = part * part * (3.0 - 2.0 * part)
    return 2.0 * (left + (uniform(source, cell + 1) - left) * eased) - 1.0
