"""The traffic of the load generator: each sensor in turn, with one or several readings in a message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTraffic:
    """Message n is of sensor n % `sensors`; its readings are numbers n × `pack` and following.

    So reading r is of datastream r % (`sensors` × `pack`). The functions are module functions, or methods of
    a record, so that another process can import them.
    """

    city: str
    sensors: int
    pack: int = 1  #: readings in a message; with more than one it is a SenML pack
    sensor_name: Callable[[int], str]  #: id of the sensor with an index, always of the same length
    property_name: Callable[[int], str]  #: the property of a datastream; its field has the same name
    tenths_of: Callable[[Numbers], Numbers]  #: ten times the values of readings by number, 0 to 9999

    @property
    def datastreams(self) -> int:
        """The number of datastreams."""
        return self.sensors * self.pack

    def sensor_of(self, number: int) -> int:
        """Return the index of the sensor that sends the message with a number."""
        return number % self.sensors

    def value_of(self, reading: int) -> float:
        """Return the value of the reading with a number."""
        return int(self.tenths_of(np.array([reading]))[0]) / 10
