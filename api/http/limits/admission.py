"""Admission of requests: how much work is in progress at one time, with a share for each kind of caller.

One process answers on one core, with few database connections: who keeps more requests in progress than it
has room for makes all others wait. So requests wait here, and callers take turns.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from http import HTTPStatus
from typing import Literal, NamedTuple, TypeAlias, get_args

from api.http.problems import ProblemError
from api.metrics import ApiMetrics

CallerKind: TypeAlias = Literal["operator", "key", "anonymous"]
"""In the order in which they are served: an API key that includes the role operator, any other one, none."""

KINDS: tuple[CallerKind, ...] = get_args(CallerKind)

SLOTS = 8
"""Work in progress. A light request takes one slot, one that reads much two: at most four of these run, as
many as there are database connections by default."""

SHARES: dict[CallerKind, int] = {"operator": SLOTS, "key": 6, "anonymous": 4}
"""Slots of a kind of caller together with the kinds after it: two are always left to operators."""

CLIENT_SLOTS: dict[CallerKind, int] = {"operator": 6, "key": 4, "anonymous": 2}
"""Slots of one client."""

CLIENT_WAITING_MAX = 64
WAITING_MAX = 1_024
PROBE_SLOTS = 2
WAIT_S = 10.0
RETRY_AFTER_S = 5


class Caller(NamedTuple):
    """Who sends a request."""

    client: str  #: an API key, or an address
    kind: CallerKind


class AdmissionLimits(NamedTuple):
    """How much is in progress, and waits, at one time."""

    shares: dict[CallerKind, int]  #: slots of a kind of caller together with the kinds after it
    client_slots: dict[CallerKind, int]
    client_waiting_max: int


REQUEST_LIMITS = AdmissionLimits(SHARES, CLIENT_SLOTS, CLIENT_WAITING_MAX)

PROBE_LIMITS = AdmissionLimits(dict.fromkeys(KINDS, PROBE_SLOTS), dict.fromkeys(KINDS, 1), WAITING_MAX)
"""Of each path that monitoring asks for. It has no limit of rate, since monitoring may share its address with
a limited client: without slots, a flood of probes on many connections would keep the process from all
else."""


class _Waiting(NamedTuple):
    weight: int
    admitted: asyncio.Future[None]


class Admission:
    """The slots of one process. Waiting callers take turns, one request each; operators come first."""

    def __init__(
        self, metrics: ApiMetrics, limits: AdmissionLimits = REQUEST_LIMITS, *, wait_s: float = WAIT_S
    ) -> None:
        self._metrics = metrics
        self._limits = limits
        self._wait_s = wait_s
        self._of_kind: Counter[CallerKind] = Counter()
        self._of_client: Counter[Caller] = Counter()
        self._queues: dict[CallerKind, OrderedDict[Caller, deque[_Waiting]]] = {
            kind: OrderedDict() for kind in KINDS
        }
        self._waiting = 0

    async def enter(self, caller: Caller, weight: int) -> None:
        """Wait for slots, and take them until `leave`; raise a problem (429, 503) when it takes too long."""
        queue = self._queues[caller.kind].get(caller)
        if not queue and self._fits(caller, weight):
            self._take(caller, weight)
            return
        if queue is not None and len(queue) >= self._limits.client_waiting_max:
            raise self._refusal(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{len(queue)} requests of this client wait already; send fewer at one time.",
            )
        if self._waiting >= WAITING_MAX:
            raise self._refusal(HTTPStatus.SERVICE_UNAVAILABLE, "Too many requests wait; try again later.")
        await self._wait(caller, weight)

    def leave(self, caller: Caller, weight: int) -> None:
        """Give the slots of a request back."""
        self._of_kind[caller.kind] -= weight
        self._of_client[caller] -= weight
        if not self._of_client[caller]:
            del self._of_client[caller]
        self._admit_waiting()

    async def _wait(self, caller: Caller, weight: int) -> None:
        waiting = _Waiting(weight, asyncio.get_running_loop().create_future())
        self._queues[caller.kind].setdefault(caller, deque()).append(waiting)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_s):
                await waiting.admitted
        except BaseException as error:
            if waiting.admitted.done() and not waiting.admitted.cancelled():
                self.leave(caller, weight)  # It was admitted in the same moment.
            elif waiting in self._queues[caller.kind].get(caller, ()):
                self._remove(caller, waiting)
            if isinstance(error, TimeoutError):
                raise self._refusal(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    f"This request waited for {self._wait_s:g} s, because its kind of caller has too many in "
                    "progress; try again later, or use an API key.",
                ) from None
            raise

    def _remove(self, caller: Caller, waiting: _Waiting) -> None:
        queue = self._queues[caller.kind][caller]
        queue.remove(waiting)
        self._waiting -= 1
        if not queue:
            del self._queues[caller.kind][caller]

    def _admit_waiting(self) -> None:
        """Admit who fits now: a request of each client in turn, those of operators first."""
        for kind in KINDS:
            queues = self._queues[kind]
            admitted = True
            while admitted:
                admitted = False
                for caller in list(queues):
                    waiting = queues[caller][0]
                    if waiting.admitted.done():
                        # It was cancelled, and its task has not run since.
                        self._remove(caller, waiting)
                        admitted = True
                    elif self._fits(caller, waiting.weight):
                        self._remove(caller, waiting)
                        if caller in queues:
                            queues.move_to_end(caller)
                        self._take(caller, waiting.weight)
                        waiting.admitted.set_result(None)
                        admitted = True

    def _fits(self, caller: Caller, weight: int) -> bool:
        if self._of_client[caller] + weight > self._limits.client_slots[caller.kind]:
            return False
        # A kind may use what its share and those of the kinds before it leave.
        for number in range(KINDS.index(caller.kind) + 1):
            used = sum(self._of_kind[kind] for kind in KINDS[number:])
            if used + weight > self._limits.shares[KINDS[number]]:
                return False
        return True

    def _take(self, caller: Caller, weight: int) -> None:
        self._of_kind[caller.kind] += weight
        self._of_client[caller] += weight

    def _refusal(self, status: HTTPStatus, detail: str) -> ProblemError:
        self._metrics.requests_limited.labels("waiting").inc()
        return ProblemError(status, detail, headers={"Retry-After": str(RETRY_AFTER_S)})
