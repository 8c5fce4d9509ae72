"""Codes of replies: which messages have one, what it acknowledges, and what counts as one in a reply."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from alerting.delivery.acknowledge_links import occurrence_digest
from alerting.delivery.reply_codes import ALPHABET, codes_in, decode_occurrences, reply_code, same_number
from alerting.delivery.webhook_channel import message_text
from tests.support.payloads.alarm_events import incident_event
from tests.support.pipelines.duty_loop import DutyLoop, duty_alarm, duty_plan
from twin.alarms.messages import AlarmBatch
from twin.instant import MINUTE
from twin.model.duty import NotificationChannel, StormLimit, WebhookTemplate
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.duty_messages import NotificationEvent

SMS = WebhookTemplate(url="https://x.example/", body={"to": "{address}", "text": "{text}"}, characters=320)


def loop(*, replies: bool = True, **changes: Any) -> DutyLoop:
    """Return a duty loop whose channel for SMS has a template."""
    sms = NotificationChannel(id="sms", webhook=replace(SMS, replies=replies))
    plan = duty_plan()
    return DutyLoop(replace(plan, channels=(plan.channels[0], sms), **changes))


def by_sms(run: DutyLoop, outcome: str) -> Iterator[NotificationEvent]:
    return (one for one in run.events if (one.channel, one.outcome) == ("sms", outcome))


def raise_alarms(run: DutyLoop, count: int) -> None:
    for number in range(count):
        alarm = duty_alarm(f"canal-{number}", cause=f"cause-{number}", rule=f"rule-{number}")
        incident = incident_event(alarm, incident=f"cause-{number}~town.east~1")
        run.on_batch(AlarmBatch(LAYOUT_VERSION, run.now, (alarm,), (incident,)))


def test_a_message_says_from_its_first_attempt_on_what_a_reply_acknowledges() -> None:
    run = loop()
    run.on_alarms(duty_alarm())
    run.advance(MINUTE)
    for outcome in ("sending", "sent"):
        [event] = by_sms(run, outcome)
        assert decode_occurrences(event.answerable) == {occurrence_digest(duty_alarm())}
    assert {one.answerable for one in run.events if one.channel == "mail"} == {""}


def test_without_replies_no_message_says_so() -> None:
    run = loop(replies=False)
    run.on_alarms(duty_alarm())
    run.advance(MINUTE)
    [event] = by_sms(run, "sent")
    assert event.answerable == ""


def test_a_reply_to_a_digest_acknowledges_only_what_its_short_text_names() -> None:
    run = loop(storm=StormLimit(messages=1))
    raise_alarms(run, 5)
    run.advance(5 * MINUTE)
    sent = list(by_sms(run, "sent"))
    [digest] = [one for one in sent if one.kind == "digest"]
    assert len(decode_occurrences(digest.answerable)) == 1
    in_it = [one for one in sent if one.digest == digest.notification]
    assert len(in_it) == 5
    assert {one.answerable for one in in_it} == {""}, "no message in a digest was sent with a code of its own"


def test_what_needs_no_acknowledgement_has_no_code() -> None:
    run = loop()
    run.on_alarms(duty_alarm())
    run.advance(MINUTE)
    run.on_alarms(duty_alarm(revision=2, kind="acknowledged", state="acknowledged"))
    run.advance(24 * 60 * MINUTE)
    for event in by_sms(run, "sent"):
        assert bool(event.answerable) == bool(run.messages[event.notification].text.answer_label)


@pytest.mark.parametrize("kind", ["sms", "full"])
@pytest.mark.parametrize("short", ["High water", "x" * 160])
@pytest.mark.parametrize("link", ["", "Acknowledge: https://twin.example/v1/acknowledge/" + "t" * 150])
@pytest.mark.parametrize("characters", [200, 230, 1_000])
def test_a_text_always_has_room_for_its_code(kind: Any, short: str, link: str, characters: int) -> None:
    run = loop()
    run.on_alarms(duty_alarm())
    run.advance(MINUTE)
    message = next(iter(run.messages.values()))
    message = replace(message, text=replace(message.text, short=short, title=short * 2))
    template = replace(SMS, text=kind, characters=characters)
    text = message_text(template, message, link, "K7M4QX")
    assert "Reply K7M4QX to acknowledge." in text
    assert len(text) <= characters
    if kind == "sms":
        assert text.startswith(short), "the code needs no room of the text"
    assert (link in text) == (len(link) + 200 < characters or not link)


def test_each_message_has_its_own_code_of_letters_that_nobody_confuses() -> None:
    codes = {reply_code(b"key", f"message-{number}") for number in range(10_000)}
    assert len(codes) == 10_000
    assert set("".join(codes)) == set(ALPHABET)
    assert not set(ALPHABET) & set("0O1IL")
    assert {len(code) for code in codes} == {6}
    assert reply_code(b"key", "message-1") != reply_code(b"other", "message-1")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("K7M4QX", ["K7M4QX"]),
        (" ok, k7m4qx!\n", ["K7M4QX"]),
        ("k7m 4qx", ["K7M4QX"]),
        ("K7M-4QX", ["K7M4QX"]),
        ("AAAAAA BBBBBB CCCCCC DDDDDD AAAAAA", ["AAAAAA", "BBBBBB", "CCCCCC"]),
        ("K7M4QXA", []),
        ("", []),
        ("K7M4Q0", []),
    ],
)
def test_a_code_is_found_in_a_reply_as_people_type_it(text: str, found: list[str]) -> None:
    assert codes_in(text) == found


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("+31612345678", "31612345678", True),
        ("+31 6 1234 5678", "0031612345678", True),
        ("+31612345678", "+31612345679", False),
        ("+31612345678", "612345678", False),
        ("", "", False),
        ("+31 (6) 12-34.56/78", "31612345678", True),
        ("team-1", "1", False),
        ("112", "112", False),
        ("1234567890123456", "1234567890123456", False),
        ("water 31612345678", "31612345678", False),
        ("٣١٦١٢٣٤٥٦٧٨", "31612345678", False),
        ("Alkmaar", "Bergen", False),
    ],
)
def test_numbers_are_compared_however_they_are_written(one: str, other: str, same: bool) -> None:
    assert same_number(one, other) is same
