"""Rules as documents: what stands in rules.yaml, and what the API takes and gives.

`RuleItem` is the one description of a rule's document. It reads a document with every fault at once, and
writes a rule so that it reads back as it was. Its `when` is one of `cities.rules.conditions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError

from cities.files.faults import CityError
from cities.files.items import Items, validate_item
from cities.files.schema import Item, RelationItem
from cities.files.values import LINES, EntityType, Id, Text, Time, described_as
from cities.files.weekly_times import WeeklyTimesItem
from cities.files.yaml_document import Location, load_yaml
from cities.rules.city_checks import check_rules_in_city
from cities.rules.conditions import AnyCondition, read_condition, write_condition
from cities.rules.context import RuleContext
from cities.rules.faults import RuleFault, RuleFaults
from cities.rules.operand_conditions import SELECTED_MAX, Delay
from twin.alarms.rules.rule import RULE_ERROR_ID, Condition, EntitySelection, Rule
from twin.alarms.rules.schedule import MINUTES_OF_DAY, WeeklySchedule
from twin.instant import INSTANT_MAX, INSTANT_MIN
from twin.model.bilingual_text import BilingualText
from twin.model.city_model import CityModel
from twin.model.entity import AREA_TYPES
from twin.model.observed_property import Theme

__all__ = ["RuleFault", "RuleItem", "check_rules", "read_rule", "read_rule_file", "rule_document"]

RULES_MAX = 1_000
"""Rules of a city; each of them is looked for on every entity."""

GUIDANCE_LENGTH_MAX = 2_000


def read_rule(document: Any, model: CityModel) -> Rule | tuple[RuleFault, ...]:
    """Return the rule of a document (a mapping, as JSON has it) in a city, or everything wrong with it.

    The rule has version 0. Whether another rule of the city has its id is checked by the caller.
    """
    faults = RuleFaults()
    item = validate_item(faults, (), document, RuleItem)
    rule = _read(document, item, RuleContext.of(model), faults)
    if rule is None:
        return faults.all
    return tuple(check_rules_in_city([rule], model).get(rule.id, [])) or rule


def check_rules(items: Items[RuleItem], context: RuleContext) -> tuple[Rule, ...]:
    """Return the rules of a file, and add to the items' faults what their layout does not show."""
    by_location = {location: item for item, location in items.placed}
    rules: dict[str, Rule] = {}
    locations: dict[str, tuple[str, int]] = {}
    for entry, location in items.entries:
        faults = RuleFaults()
        rule = _read(entry, by_location.get(location), context, faults)
        for fault in faults.all:
            items.add_fault((*location, *fault.location), fault.message)
        if rule is not None:
            locations.setdefault(rule.id, location)
            rules.setdefault(rule.id, rule)
    if len(items.entries) > RULES_MAX:
        items.add_fault(("rules",), f"found {len(items.entries)} rules, expected at most {RULES_MAX}")
    elif context.whole:
        for id, city_faults in check_rules_in_city(rules.values(), context.model).items():
            for fault in city_faults:
                items.add_fault((*locations[id], *fault.location), fault.message)
    return tuple(rules.values())


def read_rule_file(path: Path, model: CityModel, id: str = "") -> Rule:
    """Return the rule of a file with one rule, or the rule with an id of a rules.yaml.

    Raises CityError with every fault.
    """
    document, faults = load_yaml(path)
    if document is None or faults:
        raise CityError(faults)
    location: Location = ()
    entry = document.data
    if isinstance(entry, dict) and isinstance(entry.get("rules"), list):
        ids = [one.get("id") if isinstance(one, dict) else None for one in entry["rules"]]
        wanted = [index for index, known in enumerate(ids) if not id or known == id]
        if len(wanted) != 1:
            expected = f"one with the id {id}" if id else "one, or an id that says which"
            raise CityError(
                [document.fault_at(("rules",), f"found {len(wanted)} rules, expected {expected}")]
            )
        location, entry = ("rules", wanted[0]), entry["rules"][wanted[0]]
    rule = read_rule(entry, model)
    if not isinstance(rule, Rule):
        raise CityError(document.fault_at((*location, *fault.location), fault.message) for fault in rule)
    return rule


def rule_document(rule: Rule, model: CityModel) -> dict[str, Any]:
    """Return the document of a rule as JSON can hold it, without keys that have their default.

    Thresholds are in canonical units, each with its unit as long as the city knows it.
    """
    return RuleItem.write(rule, RuleContext.of(model)).document()


class BilingualItem(Item):
    """`title` of a rule."""

    en: Text
    nl: Text


_Guidance = Annotated[str, Field(min_length=1, max_length=GUIDANCE_LENGTH_MAX), LINES]


class GuidanceItem(Item):
    """`guidance` of a rule."""

    en: _Guidance
    nl: _Guidance


class SelectItem(Item):
    """`select` of a rule: the entities that it is for."""

    types: Annotated[list[EntityType], Field(min_length=1, max_length=SELECTED_MAX)] | None = None
    within: Annotated[list[Id], Field(min_length=1, max_length=SELECTED_MAX)] | None = None
    entities: Annotated[list[Id], Field(min_length=1, max_length=SELECTED_MAX)] | None = None
    relation: RelationItem | None = None

    def read(self, context: RuleContext, faults: RuleFaults) -> EntitySelection:
        """Return the selection, and add faults for what the city does not have."""
        if not (self.types or self.within or self.entities or self.relation):
            faults.add_fault(
                ("select",),
                "found nothing, expected at least one of types, within, entities and relation; "
                "name the city under within to mean all of it",
            )
        for key, ids in (("within", self.within), ("entities", self.entities)):
            for index, id in enumerate(ids or ()):
                if (message := context.unknown_id(id)) is not None:
                    faults.add_fault(("select", key, index), message)
        for index, type in enumerate(self.types or ()):
            if (message := context.unknown_type(type)) is not None:
                faults.add_fault(("select", "types", index), message)
        if self.relation is not None and (message := context.unknown_id(self.relation.target)) is not None:
            faults.add_fault(("select", "relation", "target"), message)
        return EntitySelection(
            types=tuple(self.types or ()),
            within=tuple(self.within or ()),
            entities=tuple(self.entities or ()),
            relation=(self.relation.type, self.relation.target) if self.relation is not None else None,
        )

    @classmethod
    def write(cls, selection: EntitySelection) -> Self:
        """Return the document of a selection."""
        relation = selection.relation
        return cls.of(
            types=list(selection.types) or None,
            within=list(selection.within) or None,
            entities=list(selection.entities) or None,
            relation=RelationItem.of(type=relation[0], target=relation[1]) if relation is not None else None,
        )


def _own_id(id: str) -> str:
    if id == RULE_ERROR_ID:
        raise ValueError("expected another id: this is the rule that reports rules that fail")
    return id


class RuleItem(Item):
    """One of `rules` in rules.yaml; `when` is one of `cities.rules.conditions`."""

    id: Annotated[Id, AfterValidator(_own_id)]
    title: BilingualItem
    theme: Theme
    select: SelectItem
    when: Annotated[Any, described_as(AnyCondition)]
    cause: Id | None = None
    incident_area: EntityType = "District"
    on_delay: Delay = 0
    off_delay: Delay = 0
    quality: Literal["good", "any"] = "good"
    latching: bool = False
    start: Time | None = None
    end: Time | None = None
    schedule: Annotated[list[WeeklyTimesItem], Field(min_length=1, max_length=50)] | None = None
    guidance: GuidanceItem | None = None
    enabled: bool = True

    def read(
        self,
        selection: EntitySelection | None,
        condition: Condition | None,
        context: RuleContext,
        faults: RuleFaults,
    ) -> Rule | None:
        """Return the rule with its selection and condition; None, and faults, if it is wrong in its city."""
        schedule = self._schedule(faults)
        start = INSTANT_MIN if self.start is None else self.start
        end = INSTANT_MAX if self.end is None else self.end
        if end <= start:
            faults.add_fault(("end",), "expected a time after start")
        if self.incident_area not in AREA_TYPES:
            message = context.unknown_type(self.incident_area)
            if message is not None:
                faults.add_fault(("incidentArea",), message)
        if faults or condition is None or selection is None:
            return None
        return Rule(
            id=self.id,
            title=BilingualText(self.title.en, self.title.nl),
            theme=self.theme,
            condition=condition,
            select=selection,
            cause=self.cause or "",
            incident_area=self.incident_area,
            on_delay=self.on_delay,
            off_delay=self.off_delay,
            quality=self.quality,
            latching=self.latching,
            start=start,
            end=end,
            schedule=schedule,
            guidance=BilingualText(self.guidance.en, self.guidance.nl) if self.guidance is not None else None,
            enabled=self.enabled,
        )

    def _schedule(self, faults: RuleFaults) -> WeeklySchedule | None:
        if self.schedule is None:
            return None
        for index, times in enumerate(self.schedule):
            if times.start in (times.until, MINUTES_OF_DAY):
                written = WeeklyTimesItem.of(
                    ("start", "until"), start=times.start, until=times.until
                ).document()
                faults.add_fault(
                    ("schedule", index),
                    f"found {written['from']} until {written['until']}, expected a time that lasts",
                )
        return WeeklySchedule(tuple(interval for times in self.schedule for interval in times.to_intervals()))

    @classmethod
    def write(cls, rule: Rule, context: RuleContext) -> Self:
        """Return the document of a rule."""
        title, guidance, schedule = rule.title, rule.guidance, rule.schedule
        return cls.of(
            id=rule.id,
            title=BilingualItem.of(en=title.en, nl=title.nl),
            theme=rule.theme,
            select=SelectItem.write(rule.select),
            when=write_condition(rule.condition, context),
            cause=rule.cause or None,
            incident_area=rule.incident_area,
            on_delay=rule.on_delay,
            off_delay=rule.off_delay,
            quality=rule.quality,
            latching=rule.latching,
            start=rule.start if rule.start != INSTANT_MIN else None,
            end=rule.end if rule.end != INSTANT_MAX else None,
            schedule=(
                [WeeklyTimesItem.from_interval(interval) for interval in schedule.intervals]
                if schedule is not None
                else None
            ),
            guidance=GuidanceItem.of(en=guidance.en, nl=guidance.nl) if guidance is not None else None,
            enabled=rule.enabled,
        )


def _read(document: Any, item: RuleItem | None, context: RuleContext, faults: RuleFaults) -> Rule | None:
    """Return the rule of a document; None, with faults, if there is none.

    `item` is None if the layout is wrong; `select` and `when` are then read on their own, so that every fault
    is found.
    """
    entry: Mapping[str, Any] = document if isinstance(document, dict) else {}
    select = _select_item(entry) if item is None else item.select
    selection = select.read(context, faults) if select is not None else None
    condition = read_condition(entry["when"], context, faults) if "when" in entry else None
    return item.read(selection, condition, context, faults) if item is not None else None


def _select_item(entry: Mapping[str, Any]) -> SelectItem | None:
    try:
        return SelectItem.model_validate(entry.get("select"))
    except ValidationError:
        return None
