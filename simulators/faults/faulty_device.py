"""A virtual device with faults: its reports pass a chain of faults; its messages keep their format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from simulators.devices.device import SimulatedMessage, VirtualDevice
from simulators.faults.fault import DeviceReading, DeviceReport, FaultChain, ReportDelivery
from twin.instant import Instant


class TimedMessage(NamedTuple):
    """A message, and the time at which it is sent."""

    arrival: Instant
    message: SimulatedMessage


class FaultyDevice:
    """A device with faults. Call it in order of time, since faults have state."""

    def __init__(self, device: VirtualDevice, chain: FaultChain) -> None:
        self.device = device
        self._chain = chain

    def messages(self, instant: Instant) -> Iterator[TimedMessage]:
        """Yield the messages of the report that is due at an instant, in no particular order.

        A copy has no expected values of its own, since the original has them.
        """
        message = self.device.message(instant)
        for delivery in self._chain.deliver(report_from_message(message, instant)):
            device = self._device_with_fault(message, delivery)
            sent = message if device is None else device.message(delivery.device_time)
            yield TimedMessage(delivery.arrival, sent._replace(expected=()) if delivery.is_copy else sent)

    def _device_with_fault(self, message: SimulatedMessage, delivery: ReportDelivery) -> VirtualDevice | None:
        """Return a device that encodes the faulty values, or None if the message does not change.

        With a wrong clock all values are set, since the device would otherwise measure at the wrong time.
        """
        wrong_clock = delivery.device_time != delivery.due
        values = {
            expected.datastream: reading.value
            for expected, reading in zip(message.expected, delivery.readings, strict=True)
            if wrong_clock or reading.value != expected.value
        }
        return replace(self.device, faulty_values=values) if values or wrong_clock else None


def report_from_message(message: SimulatedMessage, instant: Instant) -> DeviceReport:
    """Return the report in a message; the names of its fields are those of the city folder."""
    return DeviceReport(
        instant, tuple(DeviceReading(one.datastream.field, one.time, one.value) for one in message.expected)
    )
