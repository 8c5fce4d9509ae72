"""Which parts of an alarm a role may see.

Values of single households are visible to `metering` only (decision 0009), and people's names and texts not
to anonymous clients.
"""

from __future__ import annotations

from twin.alarms.messages import AlarmEvent, OperandValue
from twin.alarms.rules.operand import ObservationRef
from twin.model.bilingual_text import BilingualText
from twin.model.city_model import CityModel
from twin.model.role import Role, may_read_personal_data, role_includes
from twin.privacy.cohort import CONNECTIONS_MIN


def may_see_alarm(role: Role, event: AlarmEvent, model: CityModel) -> bool:
    """Whether a role may know of an alarm at all.

    A silent meter suggests that nobody is at home: such an alarm is for the roles that maintain meters. The
    same holds for a sensor that the model no longer contains, as its owner is unknown.
    """
    sensor = model.sensors.get(event.sensor)
    public = not event.sensor or (sensor is not None and not sensor.personal)
    return public or role_includes(role, "operator") or may_read_personal_data(role)


def is_public(event: AlarmEvent, model: CityModel) -> bool:
    """Whether every role may know of an alarm, and the model contains its entity."""
    return event.entity in model.entities and may_see_alarm("anonymous", event, model)


def may_see_people(role: Role) -> bool:
    """Whether a role may see who acted on an alarm, and what they wrote."""
    return role_includes(role, "viewer")


def may_see_value(role: Role, operand: OperandValue, model: CityModel) -> bool:
    """Whether a role may see the value of an operand; a value over few households is personal data."""
    personal = {source.datastream for source in operand.sources if _is_personal(source, model)}
    return not personal or len(personal) >= CONNECTIONS_MIN or may_read_personal_data(role)


def may_see_sentence(role: Role, event: AlarmEvent, model: CityModel) -> bool:
    """Whether a role may read the sentence of an alarm, which contains the values of its operands."""
    return all(may_see_value(role, operand, model) for operand in event.operands)


def visible_sources(role: Role, operand: OperandValue, model: CityModel) -> list[ObservationRef]:
    """Return the observations of an operand that a role may see, without those of unknown datastreams."""
    return [
        source
        for source in operand.sources
        if source.datastream in model.datastreams
        and (not _is_personal(source, model) or may_read_personal_data(role))
    ]


def sentence_of(role: Role, event: AlarmEvent, model: CityModel) -> BilingualText:
    """Return the sentence of an alarm that a role may read: only the title where values are personal."""
    if may_see_sentence(role, event, model):
        return BilingualText(event.sentence_en, event.sentence_nl)
    return title_of(event, model)


def title_of(event: AlarmEvent, model: CityModel) -> BilingualText:
    """Return the title of an alarm's rule, or the rule's id when the model no longer contains it."""
    rule = model.rules.get(event.rule)
    return rule.title if rule is not None else BilingualText(event.rule, event.rule)


def _is_personal(source: ObservationRef, model: CityModel) -> bool:
    datastream = model.datastreams.get(source.datastream)
    sensor = model.sensors.get(datastream.sensor) if datastream is not None else None
    return sensor is not None and sensor.personal
