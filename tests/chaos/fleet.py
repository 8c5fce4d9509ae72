"""The devices of an experiment: they send a plan at a steady rate until all of it is acknowledged."""

from __future__ import annotations

import asyncio
from array import array
from collections import Counter
from collections.abc import Sequence

from tests.chaos.device import DeviceAccount, MqttDevice
from tests.chaos.message_plan import MessageKind, MessagePlan, PlannedMessage, street_of
from tests.chaos.system_under_test import LOAD_STREETS

_TICK_S = 0.01


class DeviceFleet:
    """Sends a plan at a fixed rate, also during outages: the messages that are due then follow in a burst.

    With accounts, one for each street, each microphone is a device with a connection of its own.
    """

    def __init__(
        self,
        plan: MessagePlan,
        address: tuple[str, int],
        *,
        rate: int,
        connections: int,
        accounts: Sequence[DeviceAccount] = (),
    ) -> None:
        self.plan = plan
        self.sent = 0  #: observations handed to a device
        self.pause_at = plan.messages  #: sending pauses at this number until it is raised
        self.canaries: list[int] = []
        #: when the broker acknowledged each observation, loop time; 0 where it has not
        self.acknowledged_at = array("d", bytes(8 * plan.messages))
        self.counts: Counter[MessageKind] = Counter()  #: acknowledged messages
        self.unacknowledged = 0  #: messages without acknowledgement so far
        self.without_subscriber = (
            0  #: messages that the broker accepted although it had no subscriber for them
        )
        self._rate = rate
        self._by_street = bool(accounts)
        self._devices = [
            MqttDevice(f"chaos-{number}", address, plan.content, self._acknowledge, account)
            for number, account in enumerate(accounts or [None] * connections)
        ]
        self._keeping: list[asyncio.Task[None]] = []

    @property
    def devices(self) -> Sequence[MqttDevice]:
        """The devices, for scenarios that disturb them."""
        return self._devices

    @property
    def retransmissions(self) -> int:
        """The number of messages sent again."""
        return sum(device.retransmissions for device in self._devices)

    async def connect(self) -> None:
        """Connect every device."""
        self._keeping = [asyncio.create_task(device.stay_connected()) for device in self._devices]
        while not all(device.is_open for device in self._devices):  # noqa: ASYNC110 - the broker makes it true
            await asyncio.sleep(_TICK_S)

    async def send(self) -> None:
        """Send the whole plan; return when every message is acknowledged."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for count, message in enumerate(self.plan.planned_messages(), 1):
            if self.sent >= self.pause_at:
                begin += await self._held(loop)
            self._post(message.number, message)
            self.sent += message.kind is MessageKind.OBSERVATION
            if (ahead := begin + count / self._rate - loop.time()) > 0:
                await asyncio.sleep(max(ahead, _TICK_S))
        while self.unacknowledged:  # noqa: ASYNC110 - the broker makes it true
            await asyncio.sleep(_TICK_S)

    async def _held(self, loop: asyncio.AbstractEventLoop) -> float:
        """Wait until `pause_at` is raised; return for how long, in seconds."""
        since = loop.time()
        while self.sent >= self.pause_at:  # noqa: ASYNC110 - a scenario raises it
            await asyncio.sleep(_TICK_S)
        return loop.time() - since

    def send_canary(self, instant: int) -> None:
        """Send an observation of the canary's street, which is not part of the load."""
        self.canaries.append(instant)
        self._post(len(self.canaries), PlannedMessage(MessageKind.CANARY, instant))

    async def close(self) -> None:
        """Disconnect all."""
        for device in self._devices:
            device.close()
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)

    def _post(self, number: int, message: PlannedMessage) -> None:
        self.unacknowledged += 1
        if self._by_street:
            number = LOAD_STREETS if message.kind is MessageKind.CANARY else street_of(message.number)
        device = self._devices[number % len(self._devices)]
        device.outbox.append(message)
        device.flush()

    def _acknowledge(self, message: PlannedMessage, has_subscriber: bool) -> None:
        self.unacknowledged -= 1
        self.counts[message.kind] += 1
        self.without_subscriber += not has_subscriber
        if message.kind in (MessageKind.OBSERVATION, MessageKind.REPEAT):
            # The first acknowledgement counts: from then on the message must not be lost.
            known = self.acknowledged_at[message.number]
            self.acknowledged_at[message.number] = known or asyncio.get_running_loop().time()
