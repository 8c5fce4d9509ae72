"""The answers that wait for slow readers: bounded in bytes, over all connections."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from api.metrics import ApiMetrics

CutOffReason: TypeAlias = Literal["timeout", "memory", "failure"]


class WaitingConnection(Protocol):
    """A connection whose reader is slow."""

    def cut_off(self, reason: CutOffReason) -> None:
        """End the connection at once, with what was not sent."""


class WaitingAnswers:
    """The bytes that wait for each connection whose reader is slower than its answer.

    At the bound, the client with the most waiting bytes loses the connection that has waited longest: clients
    that never read lose their own connections only.
    """

    def __init__(self, bytes_max: int, metrics: ApiMetrics) -> None:
        self._bytes_max = bytes_max
        self._metrics = metrics
        self._bytes = 0
        # By client, each connection with its bytes, the one that began to wait first in front.
        self._clients: dict[str, dict[WaitingConnection, int]] = {}
        self._client_of: dict[WaitingConnection, str] = {}

    @property
    def bytes(self) -> int:
        """The bytes that wait now."""
        return self._bytes

    def add(self, connection: WaitingConnection, client: str, size: int) -> None:
        """Note that `size` bytes wait for a connection; cut connections off while there are too many."""
        self.remove(connection)
        self._clients.setdefault(client, {})[connection] = size
        self._client_of[connection] = client
        self._bytes += size
        while self._bytes > self._bytes_max:
            largest = max(self._clients.values(), key=lambda waiting: sum(waiting.values()))
            longest = next(iter(largest))
            self.remove(longest)
            longest.cut_off("memory")
        self._metrics.waiting_bytes.set(self._bytes)

    def remove(self, connection: WaitingConnection) -> None:
        """Note that nothing waits for a connection."""
        client = self._client_of.pop(connection, None)
        if client is None:
            return
        waiting = self._clients[client]
        self._bytes -= waiting.pop(connection)
        if not waiting:
            del self._clients[client]
        self._metrics.waiting_bytes.set(self._bytes)
