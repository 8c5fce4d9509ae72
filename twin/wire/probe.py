"""Probes: observations of a synthetic sensor that test the whole path from MQTT to the duty loop.

They belong to no entity and change no state: they appear in no data, no roll-up and not in the ledger. Each
stage forwards a probe after the records before it, so its arrival proves that those arrived.
"""

from __future__ import annotations

from typing import NamedTuple

from twin.instant import Instant

PROBE_SENSOR = "livetwin-watchdog"
"""The id of the synthetic sensor; a city folder may not use it."""

PROBE_PROPERTY = "beat"


class Probe(NamedTuple):
    """One observation of the synthetic sensor, identified by its time."""

    time: Instant  #: when it was sent, by the clock of the sender


def probe_topic(city: str) -> str:
    """Return the MQTT topic that probes are published on.

    >>> probe_topic("alkmaar")
    'livetwin/alkmaar/livetwin-watchdog/observations'
    """
    return f"livetwin/{city}/{PROBE_SENSOR}/observations"
