"""What the api tells of followed messages: when the view had it, and when a subscriber was sent it."""

from __future__ import annotations

from collections.abc import Callable

from api.live.hub import Hub
from runtime.clock import Clock
from runtime.telemetry.tracing import RecordHeaders, Tracer, extract_context


class RecordTraces:
    """Goes on with the traces of records of the log."""

    def __init__(self, tracer: Tracer, clock: Clock, hub: Hub) -> None:
        self._tracer = tracer
        self._clock = clock
        self._hub = hub

    def trace(self, topic: str, headers: RecordHeaders, take: Callable[[], None]) -> None:
        """Have the hub take in a record; tell how long that took, if the record carries a followed message.

        Of the subscribers that it is told to, one is followed until it has been sent the events.
        """
        parent = extract_context(headers)
        if parent is None:
            take()
            return
        fan_out = self._tracer.begin(
            "fan-out",
            "consumer",
            self._clock(),
            parent,
            attributes={"messaging.system": "kafka", "messaging.destination.name": topic},
        )
        self._hub.fan_out.last_notified = None
        take()
        fan_out.end(self._clock())
        told = self._hub.fan_out.last_notified
        if told is not None:
            send = self._tracer.begin("sse send", "producer", self._clock(), fan_out.context)
            told.on_sent(lambda: send.end(self._clock()))
