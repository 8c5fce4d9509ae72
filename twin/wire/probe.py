"""Probes: observations of a synthetic sensor that go the whole way to the duty loop, to show that it is open.

They belong to no entity and change no state: nobody sees them in data, roll-ups or the ledger. Each stage
passes them on behind what came before them, so one that arrives shows that everything before it did.
"""

from __future__ import annotations

from typing import NamedTuple

from twin.instant import Instant

PROBE_SENSOR = "livetwin-watchdog"
"""The id of the sensor, which no sensor of a city can have."""

PROBE_PROPERTY = "beat"


class Probe(NamedTuple):
    """One observation of it. `time` tells it apart."""

    time: Instant  #: when it was sent, by the clock of the sender


def probe_topic(city: str) -> str:
    """Return the MQTT topic that probes are published on.

    >>> probe_topic("alkmaar")
    'livetwin/alkmaar/livetwin-watchdog/observations'
    """
    return f"livetwin/{city}/{PROBE_SENSOR}/observations"
