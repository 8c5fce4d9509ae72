"""The alarm of a rule that fails: what cannot be evaluated must be seen, never pass for silence."""

from __future__ import annotations

from twin.alarms.rules.rule import BilingualText, Rule, SilenceCondition
from twin.alarms.severity import Severity

RULE_ERROR_ID = "rule-error"
"""The rule that every city has: one alarm for each rule that fails on an entity."""


def rule_error_rule(rule: Rule) -> Rule:
    """Return the rule by which the failure of another one is told; all are one incident of the city."""
    return Rule(
        id=RULE_ERROR_ID,
        version=rule.version,
        title=BilingualText("Rule fails", "Regel faalt"),
        theme=rule.theme,
        condition=SilenceCondition(severity=Severity.MAJOR),  # never evaluated: what fails says so itself
        cause=RULE_ERROR_ID,
        incident_area="Municipality",
    )
