"""Faults on the wire: a virtual device whose reports go through a chain, still byte-exact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from simulators.devices.device import Device, Message
from simulators.faults.delivery import Delivery, Reading, Report
from simulators.faults.fault_chain import Chain
from twin.instant import Instant


class Sending(NamedTuple):
    """A message and when it goes over the wire."""

    arrival: Instant
    message: Message


class FaultyDevice:
    """A device with faults. It is asked in the order of time: a fault remembers what it did."""

    def __init__(self, device: Device, chain: Chain) -> None:
        self.device = device
        self._chain = chain

    def sendings(self, instant: Instant) -> Iterator[Sending]:
        """Yield what becomes of the report that is due at an instant, in no order.

        A copy expects nothing of its own: what it tells was told before.
        """
        message = self.device.message(instant)
        for delivery in self._chain.deliver(report_of(message, instant)):
            said = self._said(message, delivery)
            told = message if said is None else said.message(delivery.told)
            yield Sending(delivery.arrival, told._replace(expected=()) if delivery.copy else told)

    def _said(self, message: Message, delivery: Delivery) -> Device | None:
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


def report_of(message: Message, instant: Instant) -> Report:
    """Return the report that a message carries; its fields are named as the city folder names them."""
    return Report(
        instant, tuple(Reading(one.datastream.field, one.time, one.value) for one in message.expected)
    )
