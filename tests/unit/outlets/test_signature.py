"""Signatures of webhooks, and the receiver's code in the documentation that verifies them."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

import pytest

from runtime.webhook_signature import sign
from tests.support.repository import ROOT

# The test vector of the specification.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def documented_verify() -> Callable[..., bool]:
    page = ROOT / "docs/how-to/webhooks.md"
    code = re.search(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1], names)
    verify: Callable[..., bool] = names["verify"]
    return verify


def test_a_signature_is_that_of_standard_webhooks() -> None:
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    assert sign(key, ID, str(TIMESTAMP), BODY) == SIGNATURE


@pytest.mark.parametrize(
    ("changes", "now_s", "expected"),
    [
        ({}, TIMESTAMP + 299.0, True),
        ({"webhook-signature": f"v1,AAAA {SIGNATURE}"}, TIMESTAMP, True),
        ({}, TIMESTAMP + 301.0, False),
        ({"webhook-timestamp": str(TIMESTAMP + 1)}, TIMESTAMP, False),
        ({"webhook-id": "another"}, TIMESTAMP, False),
        ({"webhook-signature": "v1,AAAA"}, TIMESTAMP, False),
    ],
)
def test_the_documented_receiver_takes_what_is_signed_and_nothing_else(
    changes: dict[str, str], now_s: float, expected: bool
) -> None:
    headers = {
        "webhook-id": ID,
        "webhook-timestamp": str(TIMESTAMP),
        "webhook-signature": SIGNATURE,
        **changes,
    }
    verify = documented_verify()
    assert verify(SECRET, headers, BODY, now_s) is expected
    assert verify(SECRET, headers, BODY + b" ", now_s) is False
