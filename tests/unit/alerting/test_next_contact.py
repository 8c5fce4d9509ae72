"""Whom a `next` step notifies: somebody else than the steps before, also after a hand-over between them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.support.pipelines.duty_loop import NOON, POLICY, DutyLoop, duty_alarm, duty_plan
from twin.instant import HOUR, MINUTE, Duration
from twin.model.duty import Contact, DutyOverride, DutyPlan, EscalationStep

NEXT_TWICE = replace(
    POLICY,
    steps=(
        POLICY.steps[0],
        EscalationStep(notify="next", channels=("mail",), wait=10 * MINUTE),
        EscalationStep(notify="next", channels=("mail",), wait=10 * MINUTE),
    ),
)


def override(contact: str, start: Duration, end: Duration) -> DutyOverride:
    return DutyOverride(id=contact, team="water", contact=contact, start=NOON + start, end=NOON + end)


def contacts_by_mail(plan: DutyPlan, until: Duration = 26 * MINUTE, *, assigned: str = "") -> list[str]:
    run = DutyLoop(plan)
    run.on_alarms(duty_alarm())
    if assigned:
        run.command("assign", text=assigned, actor="operator")
    run.advance(until)
    return [one.contact for one in run.sent if one.channel == "mail" and one.kind == "alarm"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # Nobody hands over.
        (None, ["first", "second", "third"]),
        # The next member comes on duty: who would have been asked is asked, as the contact on call.
        (override("second", 5 * MINUTE, HOUR), ["first", "second", "third"]),
        # Another one comes on duty.
        (override("third", 5 * MINUTE, HOUR), ["first", "third", "second"]),
        # The duty goes back to the first, whose next one was told already.
        (override("second", -HOUR, 5 * MINUTE), ["second", "first", "third"]),
        (override("third", -HOUR, 5 * MINUTE), ["third", "first", "second"]),
        # Between the second and the third step.
        (override("third", 15 * MINUTE, HOUR), ["first", "second", "third"]),
    ],
)
def test_after_a_hand_over_everybody_is_asked_once_and_who_is_on_call_is_asked_first(
    change: DutyOverride | None, expected: list[str]
) -> None:
    plan = duty_plan(NEXT_TWICE, overrides=(change,) if change is not None else ())
    assert contacts_by_mail(plan) == expected


def test_who_is_on_call_after_a_hand_over_does_not_wait_for_the_step_of_the_team() -> None:
    plan = duty_plan(overrides=(override("second", -HOUR, 5 * MINUTE),))
    assert contacts_by_mail(plan, 11 * MINUTE) == ["second", "first"]


def test_the_next_one_of_an_assigned_incident_is_not_the_one_to_whom_it_is_assigned() -> None:
    assert contacts_by_mail(duty_plan(), 11 * MINUTE, assigned="second") == ["second", "third"]


def test_without_an_on_call_step_next_is_the_member_after_the_one_on_call() -> None:
    policy = replace(NEXT_TWICE, steps=NEXT_TWICE.steps[1:])
    assert contacts_by_mail(duty_plan(policy), 15 * MINUTE) == ["second", "third"]


def test_a_contact_without_an_address_is_passed_over_and_each_round_begins_anew() -> None:
    plan = duty_plan(NEXT_TWICE)
    contacts = tuple(
        Contact(id=one.id, name=one.name, addresses={} if one.id == "second" else one.addresses)
        for one in plan.contacts
    )
    found = contacts_by_mail(replace(plan, contacts=contacts), 56 * MINUTE)
    assert found == ["first", "third", "third"] * 2


def test_steps_after_everybody_was_asked_go_on_in_the_order_of_the_team() -> None:
    policy = replace(NEXT_TWICE, steps=(*NEXT_TWICE.steps, *NEXT_TWICE.steps[1:]))
    assert contacts_by_mail(duty_plan(policy), 39 * MINUTE) == ["first", "second", "third", "second"]
