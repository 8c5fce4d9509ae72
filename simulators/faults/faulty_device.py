"""Faults on the wire: a virtual device whose reports go through a chain, still byte-exact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from simulators.devices.device import SimulatedMessage, VirtualDevice
from simulators.faults.delivery import DeviceReading, DeviceReport, ReportDelivery
from simulators.faults.fault_chain import FaultChain
from twin.instant import Instant


class TimedMessage(NamedTuple):
    """A message and when it goes over the wire."""

    arrival: Instant
    message: SimulatedMessage


class FaultyDevice:
    """A device with faults. It is asked in the order of time: a fault remembers what it did."""

    def __init__(self, device: VirtualDevice, chain: FaultChain) -> None:
        self.device = device
        self._chain = chain

    def messages(self, instant: Instant) -> Iterator[TimedMessage]:
        """Yield what becomes of the report that is due at an instant, in no order.

        A copy expects nothing of its own: what it tells was told before.
        """
        message = self.device.message(instant)
        for delivery in self._chain.deliver(report_from_message(message, instant)):
            said = self._said(message, delivery)
            told = message if said is None else said.message(delivery.told)
            yield TimedMessage(delivery.arrival, told._replace(expected=()) if delivery.copy else told)

    def _said(self, message: SimulatedMessage, delivery: ReportDelivery) -> VirtualDevice | None:
        """Return the device as the faults make it speak, or None where they leave the message as it is.

        A clock that is off must not change what is measured, so then every value is given.
        """
        off = delivery.told != delivery.due
        said = {
            expected.datastream: reading.value
            for expected, reading in zip(message.expected, delivery.readings, strict=True)
            if off or reading.value != expected.value
        }
        return replace(self.device, said=said) if said or off else None


def report_from_message(message: SimulatedMessage, instant: Instant) -> DeviceReport:
    """Return the report that a message carries; its fields are named as the city folder names them."""
    return DeviceReport(
        instant, tuple(DeviceReading(one.datastream.field, one.time, one.value) for one in message.expected)
    )
