"""`livetwin alerting` with a duty plan from a file, and no database: `python -m
tests.support.processes.alerting_process`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from alerting.service import run
from alerting.settings import AlertingSettings
from cli.runner import run_role
from tests.support.pipelines.duty_loop import duty_city
from twin.model.city_model import CityModel
from twin.model.duty import DutyPlan


class FileModelSource:
    """The town with the plan of a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def load(self) -> CityModel:
        return duty_city(msgspec.json.decode(self._path.read_bytes(), type=DutyPlan))

    async def watch(self) -> AsyncIterator[CityModel]:
        return
        yield


if __name__ == "__main__":
    settings = AlertingSettings()
    models = FileModelSource(Path(sys.argv[1]))
    run_role("alerting", settings, lambda: run(settings, models, dict(os.environ)))
