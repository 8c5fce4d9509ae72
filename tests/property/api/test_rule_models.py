"""The API gives every rule as its document has it."""

from __future__ import annotations

import msgspec
from hypothesis import given

from api.access.rights import rights_of_role
from api.openapi.document import schema_reference
from api.rules.documents import requested_rule, rule_content, rule_model
from api.rules.models import (
    RESPONSE_MEMBERS,
    RuleCondition,
    RuleContent,
    RuleSelection,
    RuleTimes,
    SilentSensor,
)
from api.rules.schemas import PutRuleBody
from cities.files.weekly_times import WeeklyTimesItem
from cities.rules.conditions import KINDS, SilentItem
from cities.rules.document import RuleItem, SelectItem, read_rule, rule_document
from tests.property.cities.test_rule_documents import TOWN, rules
from tests.support.http.documented_client import documented_answers
from twin.alarms.rules.rule import Rule

BODY = schema_reference(PutRuleBody)


@given(rules)
def test_a_rule_is_given_as_its_document_has_it(rule: Rule) -> None:
    assert msgspec.to_builtins(rule_content(rule, TOWN)) == rule_document(rule, TOWN)


@given(rules)
def test_a_rule_that_was_read_may_be_sent_back(rule: Rule) -> None:
    model = rule_model(rule, None, TOWN, rights_of_role("viewer"))
    given_rule = msgspec.json.decode(msgspec.json.encode(model))
    assert read_rule(requested_rule(given_rule, rule.id), TOWN) == rule
    assert documented_answers().schema_faults(BODY, given_rule) == []


def test_the_described_body_of_a_rule_has_the_members_of_its_document_and_of_its_answer() -> None:
    members = {field.alias for field in PutRuleBody.model_fields.values()}
    assert members == {field.alias for field in RuleItem.model_fields.values()} | RESPONSE_MEMBERS


def test_every_member_of_a_rule_is_described() -> None:
    """A member without a description would be left out of the answers."""
    for model, items in (
        (RuleContent, [RuleItem]),
        (RuleSelection, [SelectItem]),
        (RuleCondition, KINDS.values()),
        (SilentSensor, [SilentItem]),
        (RuleTimes, [WeeklyTimesItem]),
    ):
        # A dead band is only read; it is written as `clear`.
        written = {field.alias for item in items for field in item.model_fields.values()} - {"deadband"}
        assert written == {*model.__struct_encode_fields__}
