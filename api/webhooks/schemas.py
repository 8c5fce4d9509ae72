"""Request bodies of webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from api.entities.schemas import clip_box
from api.http.bodies import RequestBody
from api.live.cursor import CursorError, decode_cursor
from api.live.schemas import LiveFilter
from api.webhooks.cloud_event import SUNSET
from storage.stores.webhooks import WebhookFormat, WebhookMode
from twin.instant import format_instant


def _is_cursor(text: str) -> str:
    try:
        decode_cursor(text)
    except CursorError as error:
        raise ValueError(f"{error}; omit it to continue after the last delivered event") from None
    return text


class WebhookBody(RequestBody):
    """Which events are sent to which URL."""

    url: str = Field(description="Receiver; https, or http on this machine.")
    filter: LiveFilter = Field(
        default_factory=LiveFilter,
        description="As the query of /v1/live; the events are `state` and `alarm` by default.",
    )
    mode: WebhookMode = Field(default="batch", description="Up to 100 events per message, or one.")
    format: WebhookFormat = Field(
        default="nlgov",
        description="Of the CloudEvents: the NL GOV profile 1.1, or the form of earlier versions, which is "
        f"deprecated and sent until {format_instant(SUNSET)}.",
    )
    handshake: bool | None = Field(
        default=None,
        description="Whether the receiver is asked for its consent (OPTIONS) before the first message; by "
        "default it is in the format `nlgov`. Without it, you answer for the consent.",
    )


class ResumeBody(RequestBody):
    """The position to resume from."""

    cursor: Annotated[str, AfterValidator(_is_cursor)] | None = Field(
        default=None,
        description="Of an event, a dead letter or the live stream; the last delivered one by default.",
    )


def read_stored_filter(stored: Mapping[str, Any]) -> LiveFilter:
    """Return the filter that `stored_filter` returned, once; raise ValueError when it cannot be read.

    Earlier versions accepted boxes beyond the poles and the 180th meridian; they select the same as before.
    """
    bbox = stored.get("bbox")
    return LiveFilter.model_validate({**stored, "bbox": clip_box(bbox)} if bbox else stored)


def stored_filter(body: WebhookBody) -> dict[str, Any]:
    """Return the filter of a body as stored and shown: without its defaults."""
    return body.filter.model_dump(exclude_defaults=True, by_alias=True)
