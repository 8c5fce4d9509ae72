"""A city with faults against a real Mosquitto: lost messages are missing, duplicates arrive twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simulators import service
from simulators.faults import FaultPlanError
from simulators.settings import SimulatorSettings
from tests.integration.simulators.test_simulate import account, listening, simulating, until
from tests.support.cities.fleet import fleet
from twin.instant import SECOND

# One device of each feed; native, senml and ttn are the first three.
PLAN = fleet(7, interval=5 * SECOND)
FAULTS = {
    "faults": [
        {"device": "native-*", "fault": "dropout"},
        {"device": "senml-*", "fault": "duplicate", "probability": 1, "within": "PT1S"},
        {"device": "ttn-*", "fault": "late", "by": "PT1M"},
        {"device": "airrohr-*", "fault": "wrong-unit", "factor": 0, "offset": 77, "field": "SDS_P2"},
    ]
}


async def test_messages_of_each_device_show_its_faults(mqtt: tuple[str, int], tmp_path: Path) -> None:
    (tmp_path / "faults.json").write_text(json.dumps(FAULTS))
    settings = SimulatorSettings(
        mqtt_port=mqtt[1],
        speed=60,
        faults=tmp_path / "faults.json",
        journal=tmp_path / "journal.jsonl",
    )
    async with listening(mqtt[1]) as listener:
        async with simulating(settings, PLAN) as task:
            await until(lambda: any("/ttn-" in one or "eui-" in one for one in listener.topics), task)
            await until(lambda: len(listener.topics) == 6, task)
        sent, totals = account(tmp_path / "journal.jsonl")
        await until(lambda: listener.topics.total() == totals["messages"])
    assert totals["unacknowledged"] == 0
    assert not any(one.startswith("native") for one in sent)
    (doubled,) = (one for one in listener.topics if "senml-" in one)
    # The copies of the last second may not have gone out.
    assert listener.topics[doubled] >= 2 * len(listener.payloads[doubled]) - 2
    (dust,) = (one for one in listener.topics if one.startswith("airrohr/"))
    values = {
        item["value"]
        for payload in listener.payloads[dust]
        for item in json.loads(payload)["sensordatavalues"]
        if item["value_type"] == "SDS_P2"
    }
    assert values == {"77.00"}


async def test_a_plan_that_cannot_be_read_ends_the_role(mqtt: tuple[str, int], tmp_path: Path) -> None:
    (tmp_path / "faults.json").write_text("{}")
    settings = SimulatorSettings(mqtt_port=mqtt[1], faults=tmp_path / "faults.json")
    with pytest.raises(FaultPlanError, match="expected a list of faults"):
        await service.run(settings, PLAN)
