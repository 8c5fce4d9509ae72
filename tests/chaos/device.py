"""A device with one connection: sends with QoS 1, and sends unacknowledged messages again."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from benchmarks.load.mqtt_wire import (
    CONNACK,
    DISCONNECT_PACKET,
    PUBACK,
    RECEIVE_MAX_DEFAULT,
    PacketReader,
    connect_packet,
    publish_packet,
    receive_max,
)
from tests.chaos.message_plan import PlannedMessage
from tests.support.processes.process_faults import drop_incoming

CONNECT_TIMEOUT_S = 10.0
RECONNECT_DELAY_S = 0.2

# A connection is given up after this time without an expected answer, since it may be half open.
SILENCE_S_MAX = 10.0
_LOOK_S = 3.0

_DUP = 0x08
_SUCCESS = 0

Content = Callable[[PlannedMessage], tuple[bytes, bytes]]


class DeviceAccount(NamedTuple):
    """How a device connects to a broker with accounts: by TLS, to the name in its certificate."""

    name: str
    password: str
    tls: ssl.SSLContext
    server_name: str


class MqttDevice(asyncio.Protocol):
    """An MQTT connection that is restored whenever it ends; reports each acknowledgement.

    Packet ids continue over connections, and repeated messages have the DUP flag.
    """

    def __init__(
        self,
        name: str,
        address: tuple[str, int],
        content: Content,
        acknowledged: Callable[[PlannedMessage, bool], None],
        account: DeviceAccount | None = None,
    ) -> None:
        self.connections = 0
        self.retransmissions = 0  #: messages sent again
        self.outbox: deque[PlannedMessage] = deque()
        self._name = name
        self._address = address
        self._content = content
        self._acknowledged = acknowledged
        self._account = account
        self._waiting: dict[int, PlannedMessage] = {}  # by packet id, oldest first
        self._packet_id = 0
        self._reader = PacketReader()
        self._receive_max = RECEIVE_MAX_DEFAULT
        self._transport: asyncio.Transport | None = None
        self._open = False  # the broker has sent CONNACK
        self._paused = False
        self._received_time = 0.0
        self._ended = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether the broker has accepted the connection."""
        return self._open

    async def stay_connected(self) -> None:
        """Stay connected until cancelled."""
        loop = asyncio.get_running_loop()
        account = self._account
        tls, name = (account.tls, account.server_name) if account is not None else (None, None)
        while True:
            self._ended.clear()
            self._reader = PacketReader()
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await loop.create_connection(lambda: self, *self._address, ssl=tls, server_hostname=name)
                await self._until_ended(loop)
            except (OSError, TimeoutError):
                pass
            finally:
                self.abort()
            await asyncio.sleep(RECONNECT_DELAY_S)

    async def _until_ended(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._ended.is_set():
            try:
                await asyncio.wait_for(self._ended.wait(), _LOOK_S)
            except TimeoutError:
                silent = loop.time() - self._received_time > SILENCE_S_MAX
                if silent and (self._waiting or not self._open):
                    return

    def flush(self) -> None:
        """Send as many messages as the broker's receive maximum allows."""
        while self.outbox and self._open and not self._paused and len(self._waiting) < self._receive_max:
            parcel = self.outbox.popleft()
            self._packet_id = self._packet_id % 65_535 + 1
            while self._packet_id in self._waiting:
                self._packet_id = self._packet_id % 65_535 + 1
            self._waiting[self._packet_id] = parcel
            self._send(self._packet_id, parcel)

    def abort(self) -> None:
        """Abort the connection without DISCONNECT."""
        if self._transport is not None:
            self._transport.abort()
        self._transport, self._open = None, False

    def block_incoming(self) -> None:
        """Drop everything that arrives on the connection, even its close."""
        if self._transport is not None:
            drop_incoming(self._transport.get_extra_info("socket"))

    def close(self) -> None:
        """Disconnect."""
        if self._transport is not None:
            self._transport.write(DISCONNECT_PACKET)
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport = transport
        self._paused = False
        self._received_time = asyncio.get_running_loop().time()
        account = self._account[:2] if self._account is not None else None
        transport.write(connect_packet(self._name, account=account))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport, self._open = None, False
        self._ended.set()

    def data_received(self, data: bytes) -> None:
        self._received_time = asyncio.get_running_loop().time()
        for kind, content in self._reader.feed(data):
            if kind == PUBACK:
                self._take_acknowledgement(content)
            elif kind == CONNACK:
                self._receive_max = receive_max(content)
                self._open = True
                self.connections += 1
                self._send_again()
        self.flush()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self.flush()

    def _take_acknowledgement(self, content: bytes) -> None:
        parcel = self._waiting.pop(int.from_bytes(content[:2], "big"), None)
        if parcel is not None:
            self._acknowledged(parcel, len(content) <= 2 or content[2] == _SUCCESS)

    def _send_again(self) -> None:
        self.retransmissions += len(self._waiting)
        for packet_id, parcel in self._waiting.items():
            self._send(packet_id, parcel, _DUP)

    def _send(self, packet_id: int, parcel: PlannedMessage, flags: int = 0) -> None:
        assert self._transport is not None
        packet = publish_packet(self._content(parcel)[0], packet_id, self._content(parcel)[1])
        self._transport.write(bytes([packet[0] | flags]) + packet[1:] if flags else packet)
