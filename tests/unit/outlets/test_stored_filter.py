"""Filters of webhooks as an earlier version stored them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from api.webhooks.schemas import WebhookBody, read_stored_filter, stored_filter
from outlets.metrics import OutletMetrics
from outlets.webhook_delivery import DeliveryDependencies, WebhookDelivery
from outlets.webhook_repository import WebhookRepository
from outlets.webhook_supervisor import WebhookSupervisor
from storage.stores.webhooks import Webhook


def webhook(filter: dict[str, Any], edition: int = 1) -> Webhook:
    return Webhook(
        id="1",
        url="https://example.org/",
        filter=filter,
        mode="batch",
        format="nlgov",
        handshake=True,
        secret=b"0" * 32,
        created=0,
        created_by="tests",
        edition=edition,
    )


def dependencies() -> DeliveryDependencies:
    streams = SimpleNamespace(hub=None)
    metrics = OutletMetrics(CollectorRegistry())
    return cast(DeliveryDependencies, SimpleNamespace(streams=streams, metrics=metrics, batch_s=0.0))


@pytest.mark.parametrize(
    ("stored", "selected"),
    [
        ("4.7,52.6,4.8,52.7", (4.7, 52.6, 4.8, 52.7)),
        ("-300,52.6,4.8,120", (-180.0, 52.6, 4.8, 90.0)),
        ("4.7,-360,360,52.7", (4.7, -90.0, 180.0, 52.7)),
        ("200,52.6,300,52.7", (180.0, 52.6, 180.0, 52.7)),
    ],
)
def test_a_stored_box_beyond_the_meridian_or_the_poles_is_cut(
    stored: str, selected: tuple[float, ...]
) -> None:
    assert read_stored_filter({"bbox": stored}).filter().bbox == selected
    WebhookDelivery(webhook({"bbox": stored}), dependencies())


def test_a_filter_is_read_as_it_was_stored() -> None:
    body = WebhookBody.model_validate(
        {"url": "https://example.org/", "filter": {"bbox": "4.7,52.6,4.8,52.7", "events": ["alarm"]}}
    )
    assert read_stored_filter(stored_filter(body)) == body.filter


async def test_a_filter_that_cannot_be_read_is_logged_once_and_delays_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    supervisor = WebhookSupervisor(cast(WebhookRepository, None), dependencies())
    for edition in (1, 1, 2):
        await supervisor._reconcile([webhook({"tpye": ["Road"]}, edition)])
    assert len(caplog.records) == 2
    assert "has a filter that this version cannot read" in caplog.text
