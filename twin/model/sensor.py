"""Sensors and their datastreams."""

from __future__ import annotations

from dataclasses import dataclass

from twin.instant import Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Datastream:
    """One sensor × one observed property on one entity.

    A decoded value becomes canonical by `offset + scale × value`; unit and declared scale are folded into
    these two numbers when the model is loaded, once, not per value.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """A device, as one feed knows it."""

    id: str
    feed: str
    device: str  #: what the feed calls it; unique within the feed
    entity: str
    interval: Duration
    personal: bool = False  #: whether its single readings are personal data (a household's meter)
    gateway: str = ""  #: id of the entity that hands on what it sends; empty: not known
    power: str = ""  #: id of the entity that it is powered by; empty: its own battery, or not known
