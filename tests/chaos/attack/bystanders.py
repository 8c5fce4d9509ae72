"""The others: a device whose values are followed until they are live, and an operator who asks."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter, deque
from collections.abc import Iterable

import httpx

from runtime.clock import Clock
from tests.chaos.recovery import RecoveryProbe
from tests.chaos.system_under_test import LOAD_STREETS, PROPERTY, SystemUnderTest, street_id
from twin.instant import SECOND, Instant, parse_instant

_EACH_S = 0.5
_TIMEOUT_S = 30.0
_AGAIN_S = 0.1

OPERATOR_PATHS = ("/v1/alarms?limit=100", f"/v1/entities/{street_id(0)}/state", "/v1/incidents?limit=100")


class LiveDelays:
    """From the sending of each value to its arrival on the live stream; a later value counts for it, too."""

    def __init__(self) -> None:
        self.seconds: list[tuple[Instant, float]] = []  #: when each value was sent, and how long it took
        self._waiting: deque[Instant] = deque()

    def send(self, instant: Instant) -> None:
        """Note that a value was sent."""
        self._waiting.append(instant)

    def arrive(self, time: Instant, now: Instant) -> None:
        """Note that the value of a time arrived."""
        while self._waiting and self._waiting[0] <= time:
            sent = self._waiting.popleft()
            self.seconds.append((sent, (now - sent) / SECOND))

    def end(self, now: Instant) -> None:
        """Count the values that have not arrived with the time that they have taken so far."""
        self.arrive(now, now)

    def between(self, begin: Instant, end: Instant) -> list[float]:
        """Return the delays of what was sent in a period."""
        return [seconds for sent, seconds in self.seconds if begin <= sent < end]


class Bystanders:
    """Measures what others see, until cancelled."""

    def __init__(self, town: SystemUnderTest, probe: RecoveryProbe, clock: Clock) -> None:
        self.delays = LiveDelays()
        self.operator_s: list[float] = []  #: how long each answer to the operator took
        self.failures: Counter[str] = Counter()  #: what others were refused
        self._town = town
        self._probe = probe
        self._clock = clock
        self._key = {"Authorization": f"Bearer {town.ports['operatorKey']}"}

    async def watch(self) -> None:
        """Send, follow and ask until cancelled."""
        subscribed = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(subscribed))
            await subscribed.wait()
            tasks.create_task(self._send())
            tasks.create_task(self._ask())

    async def _send(self) -> None:
        while True:
            self.delays.send(self._probe.send_canary())
            await asyncio.sleep(_EACH_S)

    async def _follow(self, subscribed: asyncio.Event) -> None:
        path = f"/v1/live?entity={street_id(LOAD_STREETS)}"
        while True:
            try:
                async with (
                    httpx.AsyncClient(base_url=self._town.http, timeout=_TIMEOUT_S) as client,
                    client.stream("GET", path, headers=self._key) as response,
                ):
                    response.raise_for_status()
                    subscribed.set()
                    async for line in response.aiter_lines():
                        if line.startswith("data: "):
                            self._take(json.loads(line.removeprefix("data: ")))
                    self.failures["the live stream of an operator ended"] += 1
            except httpx.HTTPError as error:
                self.failures[f"the live stream of an operator: {type(error).__name__}"] += 1
            await asyncio.sleep(_AGAIN_S)

    def _take(self, event: dict[str, object]) -> None:
        if event.get("property") == PROPERTY and isinstance(time := event.get("phenomenonTime"), str):
            self.delays.arrive(parse_instant(time), self._clock())

    async def _ask(self) -> None:
        loop = asyncio.get_running_loop()
        async with httpx.AsyncClient(
            base_url=self._town.http, timeout=_TIMEOUT_S, headers=self._key
        ) as client:
            for path in itertools.cycle(OPERATOR_PATHS):
                begin = loop.time()
                try:
                    response = await client.get(path)
                    if not response.is_success:
                        self.failures[f"an operator got {response.status_code}"] += 1
                except httpx.HTTPError as error:
                    self.failures[f"an operator: {type(error).__name__}"] += 1
                self.operator_s.append(loop.time() - begin)
                await asyncio.sleep(_EACH_S)


def spread(seconds: Iterable[float]) -> str:
    """Return p50, p99 and the greatest of some times as text.

    >>> spread(number / 100 for number in range(100))
    'p50 0.50 s, p99 0.99 s, max 0.99 s'
    """
    ordered = sorted(seconds)
    if not ordered:
        return "nothing measured"
    p50, p99 = (ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.99))
    return f"p50 {p50:.2f} s, p99 {p99:.2f} s, max {ordered[-1]:.2f} s"
