"""Models of stored values."""

from __future__ import annotations

from api.http.models import Model, Time
from api.http.pages import Page
from twin.quality.quality_flags import QualityWord


class ObservationModel(Model, frozen=True, kw_only=True):
    """One reading of a datastream."""

    phenomenon_time: Time
    received_time: Time
    value: float
    quality: QualityWord
    sensor_id: str | None  #: null when the sensor has left the model


class ObservationPage(Page[ObservationModel], frozen=True, kw_only=True):
    """A page of readings; `start` and `end` (exclusive) are the time that all pages cover."""

    start: Time
    end: Time
