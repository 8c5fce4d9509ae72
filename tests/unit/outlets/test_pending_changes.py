"""What waits to be told."""

from __future__ import annotations

from outlets.pending_changes import PendingChanges


async def test_a_name_waits_once_and_the_first_goes_first() -> None:
    outbox = PendingChanges()
    outbox.on_entities(["b", "a", "b"])
    outbox.on_entities(["c", "a"])
    outbox.on_alarm("x")
    assert len(outbox) == 4
    assert (outbox.take_entities(), outbox.take_entities()) == (["b", "a", "c"], [])
    assert (outbox.take_alarms(), outbox.take_alarms()) == (["x"], [])
    assert not outbox.has_entities


async def test_everything_is_looked_at_once() -> None:
    outbox = PendingChanges()
    outbox.on_reset()
    await outbox.wait()
    assert (outbox.take_all_changed(), outbox.take_all_changed()) == (True, False)
