"""Which device sends what."""

from __future__ import annotations

import ssl

from tests.chaos.device import DeviceAccount
from tests.chaos.fleet import DeviceFleet
from tests.chaos.message_plan import MessagePlan
from tests.chaos.system_under_test import LOAD_STREETS


def test_with_accounts_each_message_is_sent_by_the_microphone_of_its_street() -> None:
    tls = ssl.create_default_context()
    accounts = [DeviceAccount(f"d{number}", "secret", tls, "localhost") for number in range(LOAD_STREETS + 1)]
    plan = MessagePlan(10, 1, 0, 1)
    fleet = DeviceFleet(plan, ("127.0.0.1", 1), rate=1, connections=0, accounts=accounts)
    fleet.send_canary(5)
    fleet.send_canary(6)
    assert [len(device.outbox) for device in fleet.devices] == [0] * LOAD_STREETS + [2]
