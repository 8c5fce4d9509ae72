"""`livetwin alerting` with a duty plan from a file instead of the database.

Started by `python -m tests.support.processes.alerting_process FILE`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from alerting.service import run
from alerting.settings import AlertingSettings
from cli.runner import run_role
from tests.support.cities.model_source import FakeModelSource
from tests.support.pipelines.duty_loop import duty_city
from twin.model.duty import DutyPlan

if __name__ == "__main__":
    settings = AlertingSettings()
    plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=DutyPlan)
    models = FakeModelSource(duty_city(plan))
    run_role("alerting", settings, lambda: run(settings, models, dict(os.environ)))
