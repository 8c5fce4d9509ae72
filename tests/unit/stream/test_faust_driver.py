"""A seek reaches its target, whatever was fetched before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from faust.tables.recovery import Recovery
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from stream.engine.faust_driver import CountedRecovery, PositionedConsumer, _SeekTarget

PARTITION = TP("observations", 1)
OTHER = TP("observations", 2)


def fetching(monkeypatch: pytest.MonkeyPatch, *fetched: tuple[TP, int]) -> PositionedConsumer:
    """Return a consumer whose driver delivers these messages next."""

    async def getmany(self: Any, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109
        for tp, offset in fetched:
            yield tp, SimpleNamespace(offset=offset)

    monkeypatch.setattr(driver.Consumer, "getmany", getmany)
    consumer = object.__new__(PositionedConsumer)
    consumer._targets = {}
    consumer._read_offset = {PARTITION: 358, OTHER: 5}
    return consumer


async def delivered(consumer: PositionedConsumer) -> list[tuple[TP, int]]:
    return [(tp, message.offset) async for tp, message in consumer.getmany(1.0)]


async def test_messages_fetched_before_a_seek_are_skipped_until_its_target_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fetched = [(PARTITION, 359), (OTHER, 6), (PARTITION, 360), (PARTITION, 247), (PARTITION, 248)]
    consumer = fetching(monkeypatch, *fetched)
    consumer._targets[PARTITION] = _SeekTarget(247, deadline=float("inf"))
    assert await delivered(consumer) == [(OTHER, 6), (PARTITION, 247), (PARTITION, 248)]
    # The offset that Faust counts as read is set back, or Faust would drop the target without a message.
    assert consumer._read_offset[PARTITION] == 247


async def test_a_target_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = fetching(monkeypatch, (PARTITION, 359), (PARTITION, 360))
    consumer._targets[PARTITION] = _SeekTarget(247, deadline=0.0)
    assert await delivered(consumer) == [(PARTITION, 359), (PARTITION, 360)]


async def test_tables_are_complete_only_once_they_were_recovered_for_the_last_rebalance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Faust's own part of a recovery is replaced: whatever it does, these are its calls."""
    app = SimpleNamespace(rebalancing_count=0, consumer_generation_id=0)

    async def on_rebalance(self: Any, *assignment: Any) -> None:
        if assignment[-1] == app.consumer_generation_id:
            self._generation_id = assignment[-1]

    async def on_recovery_completed(self: Any, generation_id: int) -> None:
        pass

    monkeypatch.setattr(Recovery, "on_rebalance", on_rebalance)
    monkeypatch.setattr(Recovery, "on_recovery_completed", on_recovery_completed)
    recovery = object.__new__(CountedRecovery)
    recovery.app, recovery._generation_id = app, 0
    recovery._assigned_in = recovery._recovered_in = 0
    assert not recovery.is_complete

    async def assign(generation: int) -> None:
        app.consumer_generation_id = generation
        await recovery.on_rebalance(set(), set(), set(), generation)

    app.rebalancing_count += 1
    await assign(7)
    assert not recovery.is_complete
    await recovery.on_recovery_completed(7)
    assert recovery.is_complete
    app.rebalancing_count += 1  # before anything is revoked
    assert not recovery.is_complete
    await recovery.on_recovery_completed(7)  # one that had begun before
    assert not recovery.is_complete
    await assign(8)
    await recovery.on_recovery_completed(7)
    assert not recovery.is_complete
    await recovery.on_recovery_completed(8)
    assert recovery.is_complete
