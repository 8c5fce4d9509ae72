"""The answers of alarms and incidents, with examples."""

from __future__ import annotations

from dataclasses import replace as replace_answer
from http import HTTPStatus

from msgspec.structs import asdict, replace

from api.alarms.atom_feed import ATOM_TYPE
from api.alarms.cap import MEDIA_TYPE as CAP_TYPE
from api.alarms.links.link_models import (
    LinkAcknowledgement,
    LinkedAlarm,
    LinkedAlarmLinks,
    LinkedContact,
    LinkedIncidentLinks,
    LinkedIncidentModel,
    LinkedNextStep,
    LinkedNotification,
    LinkedValue,
    ValueNow,
)
from api.alarms.models import (
    AcceptedAlarmCommand,
    AcceptedDutyCommand,
    AcknowledgedIncident,
    AlarmCommandLinks,
    AlarmCondition,
    AlarmCountModel,
    AlarmEpisode,
    AlarmEpisodes,
    AlarmEventModel,
    AlarmExplanation,
    AlarmLinks,
    AlarmModel,
    AlarmRate,
    AlarmStatisticsModel,
    BadActor,
    DelayPercentiles,
    DutyCommandLinks,
    FloodModel,
    IncidentLinks,
    IncidentModel,
    IncidentWithAlarms,
    OperandModel,
    OperandObservation,
    ProvenanceLinks,
    ReplyAnswer,
    ReplyLinks,
    SeverityCounts,
)
from api.alarms.reply_request import FORM, ReplyBody
from api.alarms.schemas import (
    AlarmAssignBody,
    AlarmCommentBody,
    AlarmRemarkBody,
    AssignBody,
    CommentBody,
    PeriodBody,
    RemarkBody,
    ShelveBody,
)
from api.http.answers import JSON, Answer, Body
from api.http.models import Link
from api.http.pages import Page, PageLinks
from twin.alarms.state_machine import AlarmState
from twin.model.bilingual_text import BilingualText

_PROVENANCE = ProvenanceLinks(
    provenance=Link(
        href="/v1/entities/alkmaar.singelgracht/provenance?property=water_level&time=2026-11-23T12%3A00%3A00Z"
    )
)
_CONDITION = AlarmCondition(
    rule="high-water",
    rule_version=3,
    entity_id="alkmaar.singelgracht",
    sensor_id=None,
    theme="water",
    state=AlarmState.UNACKNOWLEDGED,
    active=True,
    acknowledged=False,
    severity="major",
    occurrence=2,
    raised_time="2026-11-23T12:00:00Z",
    returned_time=None,
    acknowledged_time=None,
    acknowledged_by=None,
    shelved_until=None,
    suppressed_by=None,
    assignee=None,
    cause="high-water",
    area="alkmaar",
    sentence=BilingualText(
        "High water, Singel: water level is -0.25 m, at or above -0.3 m, at 13:00 on 23 November 2026.",
        "Hoog water, Singel: waterstand is -0,25 m, op of boven -0,3 m, op 23 november 2026 om 13:00.",
    ),
    explanation=AlarmExplanation(
        rule="high-water",
        rule_version=3,
        operands=[
            OperandModel(
                name="water_level",
                entity_id="alkmaar.singelgracht",
                value=-0.25,
                unit="m",
                quality="good",
                time="2026-11-23T12:00:00Z",
                window=None,
                threshold=-0.3,
                observations=[
                    OperandObservation(
                        datastream_id=17,
                        sensor_id="wl-singelgracht-1",
                        property="water_level",
                        phenomenon_time="2026-11-23T12:00:00Z",
                        links=_PROVENANCE,
                    )
                ],
                links=_PROVENANCE,
            )
        ],
    ),
)
_ALARM = AlarmModel(
    id="high-water~alkmaar.singelgracht",
    revision=1_795_435_200_000_017,
    time="2026-11-23T12:00:00Z",
    title=BilingualText("High water", "Hoog water"),
    guidance=BilingualText("Check the pumping station.", "Controleer het gemaal."),
    entity_name="Singel",
    incident_id="high-water~alkmaar~4",
    links=AlarmLinks(
        self_=Link(href="/v1/alarms/high-water~alkmaar.singelgracht"),
        events=Link(href="/v1/alarms/high-water~alkmaar.singelgracht/events"),
        entity=Link(href="/v1/entities/alkmaar.singelgracht"),
        incident=Link(href="/v1/incidents/high-water~alkmaar~4"),
    ),
    **asdict(_CONDITION),
)


def _page_links(path: str) -> PageLinks:
    return PageLinks(self_=Link(href=path), next=Link(href=f"{path}?cursor=r2Fsa21hYXI"))


ALARMS = Answer(
    model=Page[AlarmModel],
    description="A page of alarms.",
    example=Page(items=[_ALARM], links=_page_links("/v1/alarms")),
)
ALARM = Answer(model=AlarmModel, description="The alarm.", example=_ALARM)
ALARM_EVENTS = Answer(
    model=Page[AlarmEventModel],
    description="A page of its events.",
    example=Page(
        items=[
            AlarmEventModel(
                alarm_id="high-water~alkmaar.singelgracht",
                revision=1_795_435_200_000_017,
                amendment=0,
                kind="raised",
                time="2026-11-23T12:00:00Z",
                told_time="2026-11-23T12:00:01Z",
                late=False,
                actor=None,
                text=None,
                **asdict(_CONDITION),
            )
        ],
        links=_page_links("/v1/alarms/high-water~alkmaar.singelgracht/events"),
    ),
)
ALARM_EPISODES = Answer(
    model=AlarmEpisodes,
    description="Its episodes, oldest first.",
    example=AlarmEpisodes(
        start="2026-11-22T13:00:00Z",
        end="2026-11-23T13:00:00Z",
        items=[
            AlarmEpisode(
                alarm_id="high-water~alkmaar.singelgracht",
                entity_id="alkmaar.singelgracht",
                sensor_id=None,
                raised_time="2026-11-23T12:00:00Z",
                returned_time="2026-11-23T12:40:00Z",
                duration="PT40M",
                severity="minor",
            )
        ],
    ),
)
STATISTICS = Answer(
    model=AlarmStatisticsModel,
    description="The statistics.",
    example=AlarmStatisticsModel(
        start="2026-11-22T12:00:00Z",
        end="2026-11-23T12:00:00Z",
        operators=1,
        annunciated=31,
        per_operator_ten_minutes=AlarmRate(
            average=0.22, peak=12, peak_time="2026-11-23T03:10:00Z", rating="acceptable"
        ),
        floods=[FloodModel(start="2026-11-23T03:10:00Z", end="2026-11-23T03:24:00Z", count=14, peak=12)],
        flooded_share=0.01,
        chattering=[],
        fleeting=[AlarmCountModel(alarm_id="high-water~alkmaar.singelgracht", rule="high-water", count=2)],
        bad_actors=[
            BadActor(alarm_id="high-water~alkmaar.singelgracht", rule="high-water", count=9, share=0.29)
        ],
        by_severity=SeverityCounts(warning=4, minor=12, major=15, critical=0),
        acknowledged=28,
        acknowledge_delay=DelayPercentiles(p50="PT2M", p95="PT14M"),
        standing=3,
        stale=[],
        truncated=False,
    ),
)

_INCIDENT = IncidentModel(
    id="high-water~alkmaar~4",
    revision=1_795_435_200_000_018,
    time="2026-11-23T12:00:00Z",
    cause="high-water",
    area="alkmaar",
    area_name="Alkmaar",
    theme="water",
    open=True,
    severity="major",
    opened_time="2026-11-23T12:00:00Z",
    closed_time=None,
    links=IncidentLinks(
        self_=Link(href="/v1/incidents/high-water~alkmaar~4"),
        area=Link(href="/v1/entities/alkmaar"),
        notifications=Link(href="/v1/notifications?incident=high-water~alkmaar~4"),
    ),
)
INCIDENTS = Answer(
    model=Page[IncidentModel],
    description="A page of incidents.",
    example=Page(items=[_INCIDENT], links=_page_links("/v1/incidents")),
)
INCIDENT = Answer(
    model=IncidentWithAlarms,
    description="The incident.",
    example=IncidentWithAlarms(**asdict(_INCIDENT), alarms=[_ALARM]),
)
_DONE = replace(_ALARM, state=AlarmState.ACKNOWLEDGED, acknowledged=True, acknowledged_by="duty officer")
ALARM_COMMAND_DONE = Answer(model=AlarmModel, description="Done: the alarm afterwards.", example=_DONE)
ALARM_COMMAND_ACCEPTED = Answer(
    model=AcceptedAlarmCommand,
    description="On the log, without an outcome within 5 s; the alarm's events show it later.",
    status=HTTPStatus.ACCEPTED,
    example=AcceptedAlarmCommand(
        command_id="bcbc434d82ed0c255ae0f97cece70323",
        detail="The command is on the log; its outcome is not known yet.",
        links=AlarmCommandLinks(
            alarm=Link(href="/v1/alarms/high-water~alkmaar.singelgracht"),
            events=Link(href="/v1/alarms/high-water~alkmaar.singelgracht/events"),
        ),
    ),
)
_REMARK = {"comment": "Pump 2 is being started."}
_PERIOD = {"until": "2026-11-23T18:00:00Z", "comment": "Works on the quay."}
_COMMENT = {"text": "The contractor is on its way."}
ALARM_REMARK_BODY = Body(AlarmRemarkBody, _REMARK)
SHELVE_BODY = Body(ShelveBody, _PERIOD)
ALARM_ASSIGN_BODY = Body(AlarmAssignBody, {"assignee": "Duty officer water"})
ALARM_COMMENT_BODY = Body(AlarmCommentBody, _COMMENT)
REMARK_BODY = Body(RemarkBody, _REMARK)
SNOOZE_BODY = Body(PeriodBody, _PERIOD)
ASSIGN_BODY = Body(AssignBody, {"assignee": "duty-officer-water"})
COMMENT_BODY = Body(CommentBody, _COMMENT)

INCIDENT_ACKNOWLEDGED = Answer(
    model=AcknowledgedIncident,
    description="The outcome for each of its alarms.",
    example=AcknowledgedIncident(
        **asdict(_INCIDENT),
        alarms=[_DONE],
        acknowledged=["high-water~alkmaar.singelgracht"],
        refused=[],
        unanswered=[],
    ),
)
INCIDENT_UNANSWERED = Answer(
    model=AcknowledgedIncident,
    description="The same; an outcome is missing after 5 s.",
    status=HTTPStatus.ACCEPTED,
    example=AcknowledgedIncident(
        **asdict(_INCIDENT),
        alarms=[_ALARM],
        acknowledged=[],
        refused=[],
        unanswered=["high-water~alkmaar.singelgracht"],
    ),
)
DUTY_COMMAND_ACCEPTED = Answer(
    model=AcceptedDutyCommand,
    description="The duty loop will execute it.",
    status=HTTPStatus.ACCEPTED,
    example=AcceptedDutyCommand(
        command_id="bcbc434d82ed0c255ae0f97cece70323",
        links=DutyCommandLinks(incident=Link(href="/v1/incidents/high-water~alkmaar~4")),
    ),
)
ACKNOWLEDGE_PAGE = Answer(
    model=str,
    description="The page.",
    example="<!doctype html><title>Acknowledge – LiveTwin</title>…",
    media_type="text/html",
)
ACKNOWLEDGE_PAGE_UNANSWERED = replace_answer(
    ACKNOWLEDGE_PAGE,
    status=HTTPStatus.ACCEPTED,
    description="The page; an outcome is missing after 5 s.",
)
_LINKED_ALARM = LinkedAlarm(
    id="high-water~alkmaar.singelgracht",
    severity="major",
    state=AlarmState.UNACKNOWLEDGED,
    title=BilingualText("High water", "Hoog water"),
    sentence=BilingualText(
        "Water level -0.25 m, at or above -0.3 m.", "Waterstand -0,25 m, op of boven -0,3 m."
    ),
    guidance=BilingualText("Open the sluice.", "Open de sluis."),
    entity_id="alkmaar.singelgracht",
    entity_name="Singelgracht",
    values=[
        LinkedValue(
            name="water_level",
            value=-0.25,
            unit="m",
            time="2026-11-23T12:00:00Z",
            threshold=-0.3,
            now=ValueNow(value=-0.22, time="2026-11-23T12:20:00Z", quality="good", freshness="live"),
        )
    ],
    raised_time="2026-11-23T12:00:00Z",
    returned_time=None,
    acknowledged_time=None,
    acknowledged_by=None,
    told=True,
    waits=True,
    links=LinkedAlarmLinks(
        alarm=Link(href="/v1/alarms/high-water~alkmaar.singelgracht"),
        page=Link(href="/?alarm=high-water~alkmaar.singelgracht"),
    ),
)
_LINKED_INCIDENT = LinkedIncidentModel(
    contact=LinkedContact(id="water", name="Duty officer water", language="nl"),
    incident_id="high-water~alkmaar~4",
    time="2026-11-23T12:21:00Z",
    waiting=1,
    later=0,
    alarms=[_LINKED_ALARM],
    omitted=0,
    notifications=[
        LinkedNotification(
            contact_name="Duty officer water", channel="push", outcome="sent", time="2026-11-23T12:00:06Z"
        )
    ],
    next=LinkedNextStep(contact_names=["Second duty officer water"], time="2026-11-23T12:30:00Z"),
    links=LinkedIncidentLinks(
        self_=Link(href="/v1/acknowledge/5kQ2"),
        page=Link(href="/?incident=high-water~alkmaar~4"),
        incident=Link(href="/v1/incidents/high-water~alkmaar~4"),
    ),
)
LINKED_INCIDENT = Answer(
    model=LinkedIncidentModel,
    description="The same as JSON, for a page with a script.",
    example=_LINKED_INCIDENT,
)
_LINK_ACKNOWLEDGEMENT = LinkAcknowledgement(
    **asdict(
        replace(
            _LINKED_INCIDENT,
            waiting=0,
            alarms=[
                replace(
                    _LINKED_ALARM,
                    state=AlarmState.ACKNOWLEDGED,
                    acknowledged_time="2026-11-23T12:21:00Z",
                    acknowledged_by="Duty officer water",
                    waits=False,
                )
            ],
            next=None,
        )
    ),
    outcome="acknowledged",
    answer="Dank u. Uw bevestiging is vastgelegd.",
    acknowledged_by="Duty officer water",
    acknowledged_time="2026-11-23T12:21:00Z",
)
LINK_ACKNOWLEDGED = Answer(
    model=LinkAcknowledgement,
    description="The same as JSON: whether it counted.",
    example=_LINK_ACKNOWLEDGEMENT,
)
LINK_UNANSWERED = replace_answer(
    LINK_ACKNOWLEDGED,
    status=HTTPStatus.ACCEPTED,
    description="The same as JSON; an outcome is missing after 5 s.",
    example=replace(
        _LINK_ACKNOWLEDGEMENT,
        outcome="unanswered",
        answer="De opdracht wordt verwerkt; kijk over een ogenblik opnieuw.",
        acknowledged_by=None,
        acknowledged_time=None,
    ),
)
ACKNOWLEDGE_REFUSALS = tuple(
    replace_answer(ACKNOWLEDGE_PAGE, status=status, description="The same as a page, for browsers.")
    for status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.SERVICE_UNAVAILABLE)
)
REPLY = Answer(
    model=ReplyAnswer,
    description="What became of the reply, and a text for the contact.",
    example=ReplyAnswer(
        outcome="acknowledged",
        answer="Thank you. Your acknowledgement is recorded.",
        contact_id="water",
        notification_id="high-water~alkmaar.singelgracht~1~0~0~water~sms",
        incident_id="high-water~alkmaar.singelgracht~1",
        links=ReplyLinks(incident=Link(href="/v1/incidents/high-water~alkmaar.singelgracht~1")),
    ),
)
REPLY_UNANSWERED = Answer(
    model=ReplyAnswer,
    description="The same; an outcome is missing after 5 s.",
    status=HTTPStatus.ACCEPTED,
    example=ReplyAnswer(
        outcome="unanswered",
        answer="Your acknowledgement is being processed. Look at the page in a moment.",
        contact_id="water",
        notification_id="high-water~alkmaar.singelgracht~1~0~0~water~sms",
        incident_id="high-water~alkmaar.singelgracht~1",
        links=ReplyLinks(incident=Link(href="/v1/incidents/high-water~alkmaar.singelgracht~1")),
    ),
)
REPLY_BODY = Body(ReplyBody, {"from": "+31600000001", "text": "OK K7PQ2M"}, (JSON, FORM))
_CAP = """<?xml version='1.0' encoding='utf-8'?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
<identifier>high-water~alkmaar.singelgracht.2.17</identifier>
<sender>livetwin.alkmaar</sender><sent>2026-11-23T12:00:01-00:00</sent><status>Exercise</status>
<msgType>Alert</msgType><source>LiveTwin</source><scope>Public</scope><code>livetwin:alkmaar</code>
<info><language>en-GB</language><category>Met</category><event>High water</event>…</info></alert>
"""
CAP = Answer(model=str, description="The alert.", example=_CAP, media_type=CAP_TYPE)
_FEED = """<?xml version='1.0' encoding='utf-8'?>
<feed xmlns="http://www.w3.org/2005/Atom"><id>https://twin.alkmaar.example/v1/alarms/cap</id>
<title>Alkmaar: alarms in force</title><updated>2026-11-23T12:00:01Z</updated>…</feed>
"""
CAP_FEED = Answer(model=str, description="An Atom feed of alerts.", example=_FEED, media_type=ATOM_TYPE)
