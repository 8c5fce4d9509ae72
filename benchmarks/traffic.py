"""What the load generator sends: the sensors of a city, each in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Messages of one reading each; the functions are a module's own, so that another process finds them."""

    city: str
    sensors: int
    sensor_name: Callable[[int], str]  #: id of the sensor with an index from 0 to `sensors` - 1
    property_name: Callable[[int], str]  #: what it observes; its field has the same name
    value_of: Callable[[int], float]  #: in the message with a number

    def sensor_of(self, number: int) -> int:
        """Return the index of the sensor that sends the message with a number."""
        return number % self.sensors
