"""A backup of version 0.1.0 (database and journal) is restored, and the API answers as that version did."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.repository import ROOT
from tests.support.waiting import wait_until

GOLDEN = ROOT / "tests" / "golden"
# These depend on the time of the question, or on the wording of this version.
MOVING = {"freshness", "_links", "message", "guidance", "text", "title"}
# Members that answers have since.
ADDED = {"amendment", "digestId"}


def settled(document: Any) -> Any:
    """Return a document without the members that may differ.

    A restored system has a new log, on which indicators are derived again, with a higher revision.
    """
    if isinstance(document, dict):
        if "indicators" in document:
            document = document | {"revision": None}
            for indicator in document["indicators"].values():
                indicator.pop("revision")
                indicator.pop("receivedTime")
        return {key: settled(value) for key, value in document.items() if key not in MOVING | ADDED}
    if isinstance(document, list):
        # The open incident of the backup has its reminders, the longer ago it was made the more of them.
        return [settled(item) for item in document if not _is_reminder(item)]
    return document


def _is_reminder(item: Any) -> bool:
    return isinstance(item, dict) and item.get("kind") == "reminder"


# Nothing of a backup that grows older is removed; properties.yaml keeps the observations.
KEPT_DAYS = "36500"
RETENTION = ("PAYLOAD", "QUARANTINE", "ALARM", "PERSONAL")


@pytest.mark.embedded
def test_a_backup_of_version_0_1_is_restored(
    start_system: Callable[..., Any], service_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in RETENTION:
        monkeypatch.setenv(f"LIVETWIN_RETENTION_{name}_DAYS", KEPT_DAYS)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "cli",
            "restore",
            str(GOLDEN / "backup-0.1.0.zip"),
            "--data-dir",
            str(service_folder),
        ],
        check=True,
        cwd=ROOT,
    )
    system = start_system("--city", str(GOLDEN / "city-0.1.0"))
    system.wait_ready()
    key = system.ports["operatorKey"]

    def answer(path: str) -> Any:
        request = urllib.request.Request(system.http + path, headers={"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request) as response:
            return settled(json.load(response))

    answers: dict[str, Any] = json.loads((GOLDEN / "answers-0.1.0.json").read_text(encoding="utf-8"))
    for item in answers["/v1/quarantine"]["items"]:
        # A list had payloads; now each message has its own.
        answers[f"/v1/quarantine/{item['id']}"] = dict(item)
        del item["payload"]
    differing = {path: settled(expected) for path, expected in answers.items()}
    found: dict[str, Any] = {}

    def all_are_the_same() -> bool:
        for path in list(differing):
            found[path] = answer(path)
            if found[path] == differing[path]:
                del differing[path]
        return not differing

    wait_until(all_are_the_same, lambda: {path: (found[path], differing[path]) for path in differing})
