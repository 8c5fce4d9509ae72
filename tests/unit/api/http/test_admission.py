"""Requests take turns, and no kind of caller takes the slots of those before it."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from api.http.limits.admission import CLIENT_WAITING_MAX, Admission, Caller, CallerKind
from api.http.limits.request_weight import HEAVY, LIGHT, request_weight
from api.http.problems import ProblemError
from api.metrics import ApiMetrics


def caller(kind: CallerKind, number: int = 0) -> Caller:
    return Caller(f"{kind} {number}", kind)


class Requests:
    """Requests that stay in progress until they are ended, with the order in which they were admitted."""

    def __init__(self, wait_s: float = 60.0) -> None:
        self.admission = Admission(ApiMetrics(CollectorRegistry()), wait_s=wait_s)
        self.admitted: list[Caller] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def send(self, caller: Caller, count: int = 1, weight: int = LIGHT) -> None:
        async def enter() -> None:
            await self.admission.enter(caller, weight)
            self.admitted.append(caller)

        self.tasks += [asyncio.create_task(enter()) for _ in range(count)]
        await self.settle()

    async def end(self, caller: Caller, weight: int = LIGHT) -> None:
        self.admission.leave(caller, weight)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(3):
            await asyncio.sleep(0)

    async def cancel(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def test_anonymous_clients_leave_room_for_keys_and_these_for_operators() -> None:
    requests = Requests()
    for number in range(20):
        await requests.send(caller("anonymous", number), 10, HEAVY)
    assert len(requests.admitted) == 2
    for number in range(20):
        await requests.send(caller("key", number), 10, HEAVY)
    assert len(requests.admitted) == 3
    await requests.send(caller("operator"), 1, HEAVY)
    assert requests.admitted[-1].kind == "operator"
    await requests.cancel()


async def test_operators_are_admitted_first_and_clients_in_turn() -> None:
    requests = Requests()
    first, second = caller("anonymous", 1), caller("anonymous", 2)
    await requests.send(first, 5, HEAVY)
    await requests.send(second, 5, HEAVY)
    assert requests.admitted == [first, second]
    await requests.end(first, HEAVY)
    await requests.end(second, HEAVY)
    assert requests.admitted == [first, second] * 2
    await requests.cancel()


async def test_the_requests_of_one_client_that_wait_are_bounded() -> None:
    requests = Requests()
    await requests.send(caller("anonymous"), 2 + CLIENT_WAITING_MAX)
    with pytest.raises(ProblemError) as refused:
        await requests.admission.enter(caller("anonymous"), LIGHT)
    assert refused.value.status == 429
    assert refused.value.headers["Retry-After"]
    await requests.send(caller("anonymous", 1))
    assert requests.admitted[-1] == caller("anonymous", 1)
    await requests.cancel()


async def test_a_request_that_waited_too_long_is_refused_and_keeps_no_place() -> None:
    requests = Requests(wait_s=0.0)
    await requests.send(caller("anonymous"), 2)
    with pytest.raises(ProblemError) as refused:
        await requests.admission.enter(caller("anonymous"), LIGHT)
    assert refused.value.status == 503
    await requests.end(caller("anonymous"))
    await requests.send(caller("anonymous"))
    assert len(requests.admitted) == 3


async def test_slots_that_are_given_back_in_the_moment_of_a_cancellation_are_not_lost() -> None:
    requests = Requests()
    await requests.send(caller("anonymous"), 4)
    for task in requests.tasks[2:]:
        task.cancel()  # The tasks have not run since.
    requests.admission.leave(caller("anonymous"), LIGHT)
    await requests.end(caller("anonymous"))
    assert all(task.cancelled() for task in requests.tasks[2:])
    await requests.send(caller("anonymous"), 2)
    assert len(requests.admitted) == 4


async def test_a_cancelled_request_keeps_no_slot() -> None:
    requests = Requests()
    await requests.send(caller("anonymous"), 5)
    await requests.cancel()
    for _ in range(2):
        await requests.end(caller("anonymous"))
    await requests.send(caller("anonymous"), 2)
    assert len(requests.admitted) == 4


@pytest.mark.parametrize(
    ("path", "weight"),
    [
        ("/v1/entities/city.0", LIGHT),
        ("/v1/entities/city.0/state", LIGHT),
        ("/v1/alarms/rule~city/_acknowledge", LIGHT),
        ("/page.json", LIGHT),
        ("/v1/entities", HEAVY),
        ("/v1/entities/city.0/history", HEAVY),
        ("/v1/alarms/cap", HEAVY),
        ("/v1/alarms/_statistics", HEAVY),
        ("/v1/rules/_backtest", HEAVY),
        ("/v1/quarantine/id1/payload", HEAVY),
    ],
)
def test_what_reads_much_weighs_more(path: str, weight: int) -> None:
    assert request_weight(path) == weight
