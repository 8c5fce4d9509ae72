"""A journal of version 0.1.0 is read, and the duty loop continues as that version would have."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec

from alerting.incidents.incident_manager import IncidentManager
from alerting.incidents.journal import DutyJournal, JournalContent
from alerting.messages.outgoing_message import AttemptResult
from tests.support.pipelines.duty_loop import duty_city, duty_plan
from tests.support.repository import ROOT
from twin.instant import MINUTE, SECOND
from twin.model.duty import StormLimit

GOLDEN = ROOT / "tests" / "golden"
"""The journal and its content: incidents in four phases, a waiting message and a half-sent one."""

NEXT_AFTER_ASSIGNEE = "high-water~town.east~1~1~1~"
"""The messages of a `next` step of an assigned incident: that version asked the assigned one again."""


def as_json(value: object) -> Any:
    return json.loads(msgspec.json.encode(value))


def content_as_json(content: JournalContent) -> dict[str, Any]:
    return {
        "log": content.log,
        "outage": as_json(content.outage),
        "positions": [[topic, number, at] for (topic, number), at in content.positions.items()],
        "incidents": as_json(content.incidents),
        "alarms": as_json(content.alarms),
        "messages": as_json(content.messages),
    }


def without_added(found: dict[str, Any], recorded: dict[str, Any]) -> dict[str, Any]:
    return {
        name: without_added(value, recorded[name]) if isinstance(value, dict) else value
        for name, value in found.items()
        if name in recorded
    }


def test_the_duty_loop_continues_from_a_journal_of_version_0_1(tmp_path: Path) -> None:
    path = tmp_path / "alerting-town.sqlite"
    shutil.copy(GOLDEN / "journal-0.1.0.sqlite", path)
    recorded = json.loads((GOLDEN / "journal-0.1.0.json").read_text())
    journal = DutyJournal(path)
    content = journal.read()
    found = content_as_json(content)
    # Fields that were added since have their defaults.
    found["alarms"] = {
        id: event[: len(recorded["alarms"][id])] if id in recorded["alarms"] else event
        for id, event in found["alarms"].items()
    }
    for name in ("messages", "incidents"):
        found[name] = {id: without_added(one, recorded[name][id]) for id, one in found[name].items()}
    assert found == {key: recorded[key] for key in found}
    assert len(journal.unpublished(1_000)) == recorded["unpublished"]

    # That version sent every message alone.
    manager = IncidentManager(content, duty_city(duty_plan(storm=StormLimit(messages=0, group="incident"))))
    now = recorded["now"] + 10 * SECOND
    manager.resolve_doubtful(now)
    for _ in range(40):
        now += 5 * MINUTE
        manager.advance_to(now)
        for message in manager.due_messages(now):
            attempt = manager.begin_attempt(message, now)
            manager.end_attempt(AttemptResult(attempt.id, True, ""), now)
    change = manager.take_change()
    # The last field of then is the detail, whose wording may change between versions.
    size = len(recorded["later"][0]) - 1
    found_later, recorded_later = (
        [event[:size] for event in events if not event[1].startswith(NEXT_AFTER_ASSIGNEE)]
        for events in (as_json(change.events), recorded["later"])
    )
    assert found_later == recorded_later
    journal.write(change)
    assert content_as_json(journal.read()) == content_as_json(content)
    journal.close()
