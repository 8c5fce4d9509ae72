"""The period of a download, and what a cursor of it must agree with."""

from __future__ import annotations

import pytest

from api.bulk.cursor import ObservationPlace, Period, check_query, requested_period
from api.bulk.schemas import ObservationDownloadParameters
from api.http.problems import ProblemError
from api.http.responses import decode_page_cursor, encode_page_cursor
from storage.stores.log_positions import SETTLED_AFTER
from twin.instant import DAY, HOUR, format_instant, parse_instant

NOW = parse_instant("2026-11-23T12:00:00Z")
PERIOD = Period(NOW - 2 * DAY, NOW - DAY, NOW - HOUR)


def parameters(**values: str) -> ObservationDownloadParameters:
    return ObservationDownloadParameters.model_validate(values)


def test_the_last_day_that_is_settled_is_the_default() -> None:
    latest = NOW - SETTLED_AFTER
    assert requested_period(parameters(), NOW, None) == Period(latest - DAY, latest, latest)


def test_a_download_goes_on_with_the_period_of_its_beginning() -> None:
    later = NOW + DAY
    assert requested_period(parameters(), later, PERIOD) == PERIOD
    repeated = {"start": PERIOD.start, "end": PERIOD.end, "knownAt": PERIOD.known_at}
    texts = {name: format_instant(time) for name, time in repeated.items()}
    assert requested_period(parameters(**texts), later, PERIOD) == PERIOD


def faults(*arguments: object) -> list[str]:
    with pytest.raises(ProblemError) as raised:
        requested_period(*arguments)  # type: ignore[arg-type]
    return [fault.name for fault in raised.value.faults]


def test_other_times_than_those_of_the_cursor_are_faults_all_at_once() -> None:
    other = format_instant(NOW - 3 * DAY)
    assert faults(parameters(start=other, end=other, knownAt=other), NOW, PERIOD) == [
        "start",
        "end",
        "knownAt",
    ]


def test_what_may_not_be_stored_yet_and_an_empty_time_are_faults() -> None:
    now = format_instant(NOW)
    assert faults(parameters(knownAt=now, start=now, end=now), NOW, None) == ["knownAt", "start"]
    assert faults(parameters(), NOW, PERIOD._replace(known_at=NOW)) == ["cursor"]


def test_a_cursor_keeps_all_and_is_of_one_query() -> None:
    place = ObservationPlace(b"digest-of", *PERIOD, 17, NOW - DAY - HOUR, 4)
    assert decode_page_cursor(encode_page_cursor(place), ObservationPlace) == place
    check_query(None, b"any")
    check_query(b"digest-of", b"digest-of")
    with pytest.raises(ProblemError):
        check_query(b"digest-of", b"another")
