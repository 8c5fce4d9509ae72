"""The monitoring files use existing metrics and roles."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from tests.support.metric_catalogue import all_metrics
from tests.support.repository import ROOT
from tests.support.services.compose_file import compose_file
from tests.unit.deploy.test_compose_file import ROLES

MONITORING = ROOT / "deploy/monitoring"
PARTS = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


def sample_names() -> set[str]:
    """Return the names of all samples that a role exports."""
    return {name + part for name, metric in all_metrics().items() for part in PARTS[metric.type]}


def dashboard() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((MONITORING / "grafana/dashboards/livetwin.json").read_text())
    return content


def expressions() -> list[str]:
    return [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", [])]


def test_the_dashboard_uses_existing_metrics() -> None:
    asked = {name for expression in expressions() for name in re.findall(r"livetwin_\w+", expression)}
    assert len(asked) > 20
    assert asked - sample_names() == set()


def test_the_dashboard_groups_by_labels_that_the_metrics_have() -> None:
    metrics = all_metrics()
    for expression in expressions():
        name = re.search(r"livetwin_\w+", expression)
        grouped = re.search(r"by \(([^)]*)\)", expression)
        if name is not None and grouped is not None:
            metric = metrics[re.sub(r"_bucket$", "", name[0])]
            asked = {label.strip() for label in grouped[1].split(",")}
            assert asked <= {*metric.labels, "role", "le"}, expression


def test_panels_have_unique_ids_and_do_not_overlap() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_role_is_scraped_at_the_port_of_its_metrics() -> None:
    configuration = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    [job] = [one for one in configuration["scrape_configs"] if one["job_name"] == "livetwin"]
    assert {one["labels"]["role"]: one["targets"] for one in job["static_configs"]} == {
        role: [f"{role}:9100"] for role in ROLES
    }
    assert "LIVETWIN_METRICS_PORT=9100" in (ROOT / "deploy/image/Dockerfile").read_text()


def test_files_that_the_compose_file_mounts_exist() -> None:
    for name, service in compose_file()["services"].items():
        for volume in service.get("volumes", []):
            if volume.startswith("./"):
                assert (ROOT / volume.split(":")[0]).exists(), f"{name}: {volume}"
