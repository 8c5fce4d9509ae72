"""Up to when stored history is compared with the past of an alarm, if later values are not judged yet."""

from __future__ import annotations

from tests.support.payloads.alarm_events import alarm_event
from twin.alarms.evaluation.level_state import SeverityChange
from twin.alarms.messages import AlarmEvent
from twin.backtest.condition_history import AlarmHistory, SeverityHistory, judged_past_until, past_difference
from twin.instant import INSTANT_MAX, MINUTE, Instant

Span = tuple[int, int | None]
"""First and last minute."""


def stored(*spans: Span) -> AlarmHistory:
    """Return the history of an alarm with these occurrences."""
    return AlarmHistory.of([_occurrence(number, *span) for number, span in enumerate(spans, 1)])


def _occurrence(number: int, start: int, end: int | None) -> AlarmEvent:
    returned = end * MINUTE if end is not None else None
    return alarm_event(
        occurrence=number, active=end is None, raised_time=start * MINUTE, returned_time=returned
    )


def true(*spans: Span) -> SeverityHistory:
    """Return the severity that a rule truly had, as far as it was evaluated."""
    changes = [
        SeverityChange(minute * MINUTE, severity, None, 0)  # type: ignore[arg-type]
        for span in spans
        for minute, severity in zip(span, (4, 0), strict=True)
        if minute is not None
    ]
    return SeverityHistory(0, 0, tuple(changes))


def compared(alarm: AlarmHistory, severity: SeverityHistory, judged: Instant) -> tuple[int, list[Instant]]:
    """Return until which minute the past is compared, and the minutes of occurrences found false there."""
    until = judged_past_until(alarm, severity, judged)
    false = past_difference(alarm, severity, until).false
    return until // MINUTE, [one.raised // MINUTE for one in false]


def test_what_the_stream_has_told_of_later_values_is_not_taken_for_false() -> None:
    alarm = stored((10, 20), (40, 50), (70, None))
    assert compared(alarm, true(), INSTANT_MAX) == (70, [10, 40])
    assert compared(alarm, true(), 60 * MINUTE) == (60, [10, 40])
    assert compared(alarm, true(), 30 * MINUTE) == (30, [10])


def test_what_is_not_over_by_then_is_compared_later() -> None:
    alarm = stored((10, 20), (40, 50), (70, None))
    assert compared(alarm, true((10, 20), (40, None)), 45 * MINUTE) == (40, [])
    assert compared(alarm, true((10, 20), (35, 48)), 49 * MINUTE) == (35, [])
    assert compared(alarm, true((10, 20), (15, None)), 49 * MINUTE) == (10, []), "it may end later"
    assert compared(alarm, true((10, 20)), 45 * MINUTE) == (40, [])
