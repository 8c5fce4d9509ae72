"""Sensors and their datastreams."""

from __future__ import annotations

from dataclasses import dataclass

from twin.instant import Duration
from twin.model.sensor_register import NO_ENTRY, RegisterEntry
from twin.quality.valid_when import ValidWhen


@dataclass(frozen=True, slots=True, kw_only=True)
class Datastream:
    """One sensor × one observed property on one entity.

    A decoded value becomes canonical by `offset + scale × value`. Unit and declared scale are folded into
    these two numbers once, when the model is loaded.
    """

    id: int  #: assigned by the database; 0 until then
    sensor: str
    entity: str
    property: str
    field: str  #: the name, or dotted path, of the value in the decoded payload
    unit: str  #: UCUM, of the value as the device sends it
    scale: float
    offset: float
    interval: Duration  #: expected time between observations
    valid_when: ValidWhen | None = None  #: in addition to that of the property


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """A device, as one feed identifies it."""

    id: str
    feed: str
    device: str  #: its id in the feed; unique within the feed
    entity: str
    interval: Duration
    personal: bool = False  #: whether its single readings are personal data (a household's meter)
    gateway: str = ""  #: id of the entity that forwards its messages; empty: not known
    power: str = ""  #: id of the entity that powers it; empty: its own battery, or not known
    register: RegisterEntry = NO_ENTRY  #: what the city says of it, without what its kind has
