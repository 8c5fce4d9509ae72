"""The answers about duty, with examples."""

from __future__ import annotations

from http import HTTPStatus

from api.duty.models import (
    ContactModel,
    DutyOverrideLinks,
    DutyOverrideModel,
    DutyShiftModel,
    NotificationLinks,
    NotificationModel,
    OnCallLinks,
    OnCallModel,
    OnCallPage,
    PushKeyModel,
    PushSubscriptionLinks,
    PushSubscriptionModel,
)
from api.duty.schemas import OverrideBody, PushSubscriptionBody
from api.http.answers import Answer, Body, NoContent
from api.http.models import Link
from api.http.pages import Page, PageLinks

CALENDAR = "text/calendar"

_CONTACT = ContactModel(id="water", name="Duty officer water", language="nl")
_OVERRIDE = DutyOverrideModel(
    id="6b0f4f0c-6f0e-4f1d-8c8e-2a3f6c1b9d55",
    team_id="water",
    contact_id="lead",
    start="2026-11-25T17:00:00Z",
    end="2026-11-26T07:00:00Z",
    note="Swapped.",
    made_by="duty desk",
    made_time="2026-11-23T12:00:00Z",
    withdrawn_by=None,
    withdrawn_time=None,
    links=DutyOverrideLinks(self_=Link(href="/v1/duty/overrides/6b0f4f0c-6f0e-4f1d-8c8e-2a3f6c1b9d55")),
)
_CALENDAR = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//LiveTwin//duty//EN
BEGIN:VEVENT
UID:water-1795417200000000@alkmaar.livetwin
DTSTAMP:20261123T120000Z
DTSTART:20261123T070000Z
DTEND:20261130T070000Z
SUMMARY:Duty water: Duty officer water
END:VEVENT
END:VCALENDAR
"""

ON_CALL = Answer(
    model=OnCallPage,
    description="The contact on call, by team.",
    example=OnCallPage(
        at="2026-11-23T12:00:00Z",
        items=[
            OnCallModel(
                team_id="water",
                team_name="Duty water",
                contact=_CONTACT,
                source="calendar",
                until="2026-11-30T07:00:00Z",
                next=ContactModel(id="water-second", name="Second duty officer water", language="nl"),
                links=OnCallLinks(roster=Link(href="/v1/duty/roster?team=water")),
            )
        ],
        links=PageLinks(self_=Link(href="/v1/duty/on-call")),
    ),
)
ROSTER = Answer(
    model=Page[DutyShiftModel],
    description="Consecutive shifts; a gap has no contact.",
    example=Page(
        items=[
            DutyShiftModel(
                team_id="water",
                contact=_CONTACT,
                start="2026-11-23T07:00:00Z",
                end="2026-11-30T07:00:00Z",
                source="calendar",
            )
        ],
        links=PageLinks(self_=Link(href="/v1/duty/roster")),
    ),
)
ROSTER_CALENDAR = Answer(
    model=str, description="The same as iCalendar.", media_type=CALENDAR, example=_CALENDAR
)
OVERRIDES = Answer(
    model=Page[DutyOverrideModel],
    description="Present and future overrides.",
    example=Page(items=[_OVERRIDE], links=PageLinks(self_=Link(href="/v1/duty/overrides"))),
)
OVERRIDE = Answer(model=DutyOverrideModel, description="The override.", example=_OVERRIDE)
MADE = Answer(
    model=DutyOverrideModel,
    description="Created; every role applies it within 2 s.",
    example=_OVERRIDE,
    status=HTTPStatus.CREATED,
    headers={"Location": "The path of the override."},
)
WITHDRAWN = NoContent("It does not apply any more, and stays on record.")
OVERRIDE_BODY = Body(
    OverrideBody,
    {
        "teamId": "water",
        "contactId": "lead",
        "start": "2026-11-25T17:00:00Z",
        "end": "2026-11-26T07:00:00Z",
        "note": "Swapped.",
    },
)
_PUSH_SUBSCRIPTION = PushSubscriptionModel(
    id="0a1e8a40-3f0a-4f6b-9a53-0c7a2c9f9d11",
    contact_id="water",
    device="Duty phone",
    push_service="push.example.com",
    made_by="duty desk",
    made_time="2026-11-23T12:00:00Z",
    expiration_time="2027-02-21T12:00:00Z",
    links=PushSubscriptionLinks(collection=Link(href="/v1/duty/push-subscriptions")),
)
PUSH_KEY = Answer(
    model=PushKeyModel,
    description="The key.",
    example=PushKeyModel(
        application_server_key="BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
    ),
)
PUSH_SUBSCRIPTIONS = Answer(
    model=Page[PushSubscriptionModel],
    description="The browsers that take messages.",
    example=Page(items=[_PUSH_SUBSCRIPTION], links=PageLinks(self_=Link(href="/v1/duty/push-subscriptions"))),
)
PUSH_SUBSCRIBED = Answer(
    model=PushSubscriptionModel,
    description="Subscribed; alerting knows it within 2 s.",
    example=_PUSH_SUBSCRIPTION,
    status=HTTPStatus.CREATED,
    headers={"Location": "The path of the browser, for its removal."},
)
PUSH_UNSUBSCRIBED = NoContent("No message is sent to it any more.")
PUSH_SUBSCRIPTION_BODY = Body(
    PushSubscriptionBody,
    {
        "contactId": "water",
        "endpoint": "https://push.example.com/send/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV",
        "keys": {
            "p256dh": (
                "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
            ),
            "auth": "BTBZMqHH6r4Tts7J_aSIgg",
        },
        "device": "Duty phone",
    },
)
NOTIFICATIONS = Answer(
    model=Page[NotificationModel],
    description="A page of notifications.",
    example=Page(
        items=[
            NotificationModel(
                id="high-water~alkmaar~4~0~0~duty-officer-water~mail",
                incident_id="high-water~alkmaar~4",
                digest_id=None,
                kind="alarm",
                round=0,
                step=0,
                contact="duty-officer-water",
                contact_name="Duty officer water",
                channel="mail",
                outcome="sent",
                attempt=1,
                time="2026-11-23T12:00:06Z",
                due_time="2026-11-23T12:00:05Z",
                title="High water, Singel",
                detail=None,
                links=NotificationLinks(incident=Link(href="/v1/incidents/high-water~alkmaar~4")),
            )
        ],
        links=PageLinks(
            self_=Link(href="/v1/notifications"), next=Link(href="/v1/notifications?cursor=r2Fsa21hYXI")
        ),
    ),
)
