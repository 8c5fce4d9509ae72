"""Messages to the watchdog's contact: the path to the duty loop is closed, still closed, open again. Pure."""

from __future__ import annotations

from typing import Literal

from alerting.incidents.incident_state import NotificationRequest
from alerting.messages.message_text import MessageText
from alerting.messages.outgoing_message import OutgoingMessage
from alerting.messages.phrases import time_text
from twin.alarms.severity import Severity
from twin.instant import HOUR, Duration, Instant
from twin.model.city_model import CityModel

WATCHDOG_CONTACT = "watchdog"
WATCHDOG_INCIDENT = "livetwin-watchdog"

REPEAT_EVERY: Duration = HOUR
"""The notice is repeated while the path is closed; nobody can acknowledge it."""

_CLOSED = (
    "{city}: no alarm gets through",
    "LiveTwin sends itself an observation each minute. Since {time} none has come through to the duty loop: "
    "alarms are not noticed. Look at the broker, at Kafka, and at the roles ingest and stream.",
    "LiveTwin stuurt zichzelf elke minuut een waarneming. Sinds {time} komt er geen meer aan bij de "
    "alarmering: alarmen worden niet opgemerkt. Kijk naar de broker, naar Kafka en naar ingest en stream.",
)
_OPEN = (
    "{city}: alarms get through again",
    "Observations come through to the duty loop again. None did since {time}.",
    "Waarnemingen komen weer aan bij de alarmering. Sinds {time} kwam er geen door.",
)


def watchdog_notice(
    model: CityModel, status: Literal["closed", "open"], since: Instant, number: int, now: Instant
) -> OutgoingMessage | None:
    """Return the `number`th notice to the plan's watchdog contact; None without such a contact."""
    if model.duty.watchdog is None:
        return None
    channel, _ = model.duty.watchdog
    title, english, dutch = _CLOSED if status == "closed" else _OPEN
    time = time_text(since, model)
    title = title.format(city=model.city.name)
    text = MessageText(
        title=title,
        body="\n\n".join(part.format(time=time) for part in (english, dutch)),
        short=f"{title} ({time})",
        language="en",
        severity=Severity.CRITICAL if status == "closed" else Severity.CLEARED,
        answer_label="",
    )
    parts = (WATCHDOG_INCIDENT, "0", str(number), WATCHDOG_CONTACT, channel, status, str(since))
    request = NotificationRequest(
        notification="~".join(parts),
        incident=WATCHDOG_INCIDENT,
        kind="watchdog",
        round=0,
        step=number,
        contact=WATCHDOG_CONTACT,
        channel=channel,
        due_time=now,
    )
    return OutgoingMessage(request=request, text=text, due=now)
