"""Models of the messages of the Durable Stream: events of the live stream, without the cursor of each."""

from __future__ import annotations

from typing import TypeAlias

from api.http.models import Model
from api.live.models import AlarmData, StateData
from api.streams.protocol import StreamPosition


class StreamState(Model, tag_field="event", tag="state", frozen=True, kw_only=True):
    """A changed value. Its freshness is that at its reception: what turns stale makes no record."""

    data: StateData


class StreamAlarm(Model, tag_field="event", tag="alarm", frozen=True, kw_only=True):
    """A changed alarm."""

    data: AlarmData


AnyStreamMessage: TypeAlias = StreamState | StreamAlarm


class StreamDataEvent(Model, tag_field="event", tag="data", frozen=True, kw_only=True):
    """Messages, in order."""

    data: list[AnyStreamMessage]


class StreamControlEvent(Model, tag_field="event", tag="control", frozen=True, kw_only=True):
    """Where the stream stands after the messages before."""

    data: StreamPosition


AnyStreamEvent: TypeAlias = StreamDataEvent | StreamControlEvent
