"""Changes of the live view that wait to be published."""

from __future__ import annotations

from outlets.pending_changes import PendingChanges


async def test_an_id_waits_once_and_the_longest_waiting_is_taken_first() -> None:
    changes = PendingChanges()
    changes.on_entities(["b", "a", "b"])
    changes.on_entities(["c", "a"])
    changes.on_alarm("x")
    assert len(changes) == 4
    assert (changes.take_entities(), changes.take_entities()) == (["b", "a", "c"], [])
    assert (changes.take_alarms(), changes.take_alarms()) == (["x"], [])
    assert not changes.has_entities


async def test_a_reset_is_taken_once() -> None:
    changes = PendingChanges()
    changes.on_reset()
    await changes.wait()
    assert (changes.take_all_changed(), changes.take_all_changed()) == (True, False)
