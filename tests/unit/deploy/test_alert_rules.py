"""The alerts on the system use existing metrics, and each has a section in the runbook."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import yaml

from tests.support.metric_catalogue import all_metrics
from tests.support.repository import ROOT

MONITORING = ROOT / "deploy/monitoring"

PARTS = ["What it means", "How to look", "What to do", "It is over when"]
"""The parts of each section of the runbook."""

# What comes from elsewhere: Prometheus itself, the Python client, the exporters of nodes and of probes.
FOREIGN = {
    "node_filesystem_avail_bytes",
    "node_filesystem_size_bytes",
    "probe_ssl_earliest_cert_expiry",
    "process_start_time_seconds",
    "up",
}
TARGET_LABELS = {"instance", "job", "role"}
"""Labels that Prometheus adds to every series."""

SERIES = re.compile(r"\b(livetwin_\w+|up|process_\w+|node_\w+|probe_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")


@cache
def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    found = [rule for group in groups for rule in group["rules"]]
    assert len({rule["alert"] for rule in found}) == len(found)
    return {rule["alert"]: rule for rule in found}


def labels_of(series: str) -> set[str]:
    """Return the labels that a series with this name may have."""
    metrics = all_metrics()
    name = re.sub(r"_(bucket|sum|count)$", "", series)
    metric = metrics.get(series) or metrics.get(name)
    assert metric is not None, f"{series}: no role has this metric"
    assert series in metrics or metric.type == "histogram", f"{series}: {name} is a {metric.type}"
    return {*metric.labels, *TARGET_LABELS, *(("le",) if series.endswith("_bucket") else ())}


@cache
def code() -> str:
    """Return the source code of the metrics."""
    folders = ("alerting", "api", "cli", "ingest", "outlets", "runtime", "storage", "stream", "twin")
    return "".join(path.read_text() for folder in folders for path in (ROOT / folder).rglob("*.py"))


def test_alerts_use_existing_metrics_and_labels() -> None:
    for name, rule in alerts().items():
        known: set[str] = set()
        for series, matchers in SERIES.findall(rule["expr"]):
            if series in FOREIGN:
                known |= {*TARGET_LABELS, "fstype", "mountpoint"}
                continue
            labels = labels_of(series)
            known |= labels
            for label, operator, value in MATCHER.findall(matchers):
                assert label in labels, f"{name}: {series} has no label {label}"
                if operator == "=" and label not in TARGET_LABELS:
                    assert f'"{value}"' in code(), f"{name}: nothing sets {label} of {series} to {value}"
        for grouping in GROUPING.findall(rule["expr"]):
            for label in grouping.replace(" ", "").split(","):
                assert label in known, f"{name}: no series in it has the label {label}"
        for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
            assert label in known, f"{name}: no series in it has the label {label}"


def test_alerts_leave_no_unknown_name_in_their_expressions() -> None:
    words = {
        "abs",
        "absent",
        "and",
        "by",
        "changes",
        "count",
        "increase",
        "max_over_time",
        "min",
        "offset",
        "or",
    }
    words |= {"max", "predict_linear", "rate", "sum", "time", "vector"}
    for name, rule in alerts().items():
        bare = re.sub(r'\{[^}]*\}|\[[^\]]*\]|"[^"]*"|\b\d[\w.]*\b', " ", SERIES.sub(" ", rule["expr"]))
        unknown = set(re.findall(r"[A-Za-z_]\w*", GROUPING.sub(" ", bare))) - words
        assert not unknown, f"{name}: {unknown}"


def test_alerts_have_a_severity_and_a_runbook_link() -> None:
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in {"critical", "warning", "none"}, name
        assert rule["annotations"]["summary"], name
        assert rule["annotations"]["runbook_url"] == f"docs/how-to/runbook.md#{name.lower()}"


def test_every_alert_has_a_complete_runbook_section_and_every_section_an_alert() -> None:
    text = (ROOT / "docs/how-to/runbook.md").read_text()
    sections = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    titles = [one.partition("\n")[0] for one in sections]
    assert titles == list(alerts()), "docs/how-to/runbook.md: the sections are the alerts, in their order"
    for title, section in zip(titles, sections, strict=True):
        assert re.findall(r"^\*\*([^*]+)\.\*\* \S", section, re.MULTILINE) == PARTS, (
            f"docs/how-to/runbook.md, {title}"
        )
    for name in re.findall(r"\]\(#(\w+)\)", text):
        assert name in {one.lower() for one in titles}, f"docs/how-to/runbook.md: no section {name}"


def test_the_runbook_names_no_metric_that_does_not_exist() -> None:
    text = (ROOT / "docs/how-to/runbook.md").read_text()
    for name in set(re.findall(r"\blivetwin_\w+", text)):
        labels_of(name)


def test_every_alert_has_tests_of_firing_and_of_not_firing() -> None:
    tests = yaml.safe_load((MONITORING / "test-alerts.yml").read_text())["tests"]
    tried = [(one["alertname"], bool(one["exp_alerts"])) for test in tests for one in test["alert_rule_test"]]
    always = {name for name, rule in alerts().items() if rule["expr"] == "vector(1)"}
    assert {name for name, comes in tried if comes} == set(alerts())
    assert {name for name, comes in tried if not comes} == set(alerts()) - always
