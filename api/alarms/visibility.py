"""Which parts of an alarm a principal may see.

Values of single households are visible to `metering` only (decision 0009); people's names and texts, and the
guidance for staff, not to anonymous clients.
"""

from __future__ import annotations

from collections.abc import Sequence

from api.access.rights import PUBLIC, Rights
from twin.alarms.messages import AlarmEvent, OperandValue
from twin.alarms.rules.operand import ObservationRef
from twin.model.bilingual_text import BilingualText
from twin.model.city_model import CityModel
from twin.model.role import may_read_personal_data, role_includes
from twin.privacy.cohort import CONNECTIONS_MIN


def may_see_alarm(rights: Rights, event: AlarmEvent, model: CityModel) -> bool:
    """Whether a principal may know of an alarm at all.

    A silent meter suggests that nobody is at home: such an alarm is for the roles that maintain meters. The
    same holds for a sensor that the model no longer contains, as its owner is unknown.
    """
    sensor = model.sensors.get(event.sensor)
    if not event.sensor or (sensor is not None and not sensor.personal):
        return True
    return may_see_silent_meters(rights, event.entity)


def may_see_silent_meters(rights: Rights, entity: str) -> bool:
    """Whether a principal may know that a meter of a household is silent."""
    role = rights.role_at(entity)
    return role_includes(role, "operator") or may_read_personal_data(role)


def is_public(event: AlarmEvent, model: CityModel) -> bool:
    """Whether every role may know of an alarm, and the model contains its entity."""
    return event.entity in model.entities and may_see_alarm(PUBLIC, event, model)


def may_see_people(rights: Rights, event: AlarmEvent) -> bool:
    """Whether a principal may see who acted on an alarm, and what they wrote."""
    return rights.includes_at("viewer", event.entity)


def may_see_guidance(rights: Rights) -> bool:
    """Whether a principal may read what staff is told to do about alarms of a rule: all of staff may.

    A rule is one of the city, so the areas of the principal do not matter.
    """
    return role_includes(rights.principal.role, "viewer")


def may_see_value(rights: Rights, operand: OperandValue, model: CityModel) -> bool:
    """Whether a principal may see the value of an operand; a value over few households is personal data."""
    personal = {source.datastream for source in operand.sources if _is_personal(source, model)}
    return (
        not personal
        or len(personal) >= CONNECTIONS_MIN
        or all(may_read_personal_data(rights.role_at(model.datastreams[id].entity)) for id in personal)
    )


def may_see_sentence(rights: Rights, event: AlarmEvent, model: CityModel) -> bool:
    """Whether a principal may read the sentence of an alarm, which contains the values of its operands."""
    return all(may_see_value(rights, operand, model) for operand in event.operands)


def note_silent_meter(rights: Rights, event: AlarmEvent, model: CityModel) -> None:
    """Note the household whose meter an alarm is about, if it is about one: see `Rights`."""
    sensor = model.sensors.get(event.sensor)
    if sensor is not None and sensor.personal:
        rights.read_households.add(event.entity)


def note_readings(rights: Rights, sources: Sequence[ObservationRef], model: CityModel) -> None:
    """Note the households of observations that an answer shows: see `Rights`."""
    rights.read_households.update(
        model.datastreams[source.datastream].entity for source in sources if _is_personal(source, model)
    )


def visible_sources(rights: Rights, operand: OperandValue, model: CityModel) -> list[ObservationRef]:
    """Return the observations of an operand that a principal may see, without unknown datastreams."""
    return [
        source
        for source in operand.sources
        if (datastream := model.datastreams.get(source.datastream)) is not None
        and (not _is_personal(source, model) or may_read_personal_data(rights.role_at(datastream.entity)))
    ]


def sentence_of(rights: Rights, event: AlarmEvent, model: CityModel) -> BilingualText:
    """Return the sentence of an alarm that a principal may read: the title where values are personal."""
    if may_see_sentence(rights, event, model):
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
