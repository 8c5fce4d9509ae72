"""The documentation agrees with the code: settings, metrics, commands, links, versions."""

from __future__ import annotations

import importlib
import importlib.util
import re
import tomllib
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from api.lineage.observation_lineage import flag_names
from cli.command_line import COMMANDS
from runtime.secret_files import FILE_SUFFIX, is_secret
from runtime.settings import RoleSettings
from tests.support.metric_catalogue import METRIC_MODULES, all_metrics
from tests.support.repository import ROOT
from twin.quality.quality_flags import QualityFlag, quality_word

PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")] + sorted(
    (ROOT / "docs").rglob("*.md")
)

# The heading of a package's settings in docs/reference/configuration.md.
HEADINGS = {
    "runtime": "Every role",
    "ingest": "`livetwin ingest`",
    "stream": "`livetwin stream`",
    "storage": "`livetwin historian`",
    "api": "`livetwin api`",
    "alerting": "`livetwin alerting`",
    "outlets": "`livetwin outlets`",
    "simulators": "`livetwin simulate`",
}


def page(name: str) -> str:
    return (ROOT / name).read_text()


# --- settings ---


def settings_of(package: str) -> list[type[RoleSettings]]:
    module = importlib.import_module(f"{package}.settings")
    return [
        member
        for member in vars(module).values()
        if isinstance(member, type)
        and issubclass(member, RoleSettings)
        and member.__module__ == module.__name__
    ]


def shown_default(default: object) -> str:
    if isinstance(default, SecretStr):
        return f"`{default.get_secret_value()}`"
    if isinstance(default, Path):
        return f"`{default.relative_to(ROOT) if default.is_absolute() else default}`"
    return "none" if default in (None, ()) else f"`{default}`"


def shown_range(field: FieldInfo) -> str:
    words = [
        f"{word} {getattr(bound, name)}"
        for bound in field.metadata
        for name, word in (("ge", "from"), ("gt", "above"), ("le", "to"), ("lt", "below"))
        if hasattr(bound, name)
    ]
    return " ".join(words)


def settings_table(settings: type[RoleSettings]) -> str:
    """Return the table of a class's own settings, as required in docs/reference/configuration.md."""
    rows = ["| variable | default | allowed | meaning |", "|---|---|---|---|"]
    for name, field in settings.model_fields.items():
        if settings is RoleSettings or name not in RoleSettings.model_fields:
            rows.append(
                f"| `LIVETWIN_{name.upper()}` | {shown_default(field.default)} | {shown_range(field)} "
                f"| {field.description} |"
            )
    return "\n".join(rows)


def test_every_setting_with_its_default_is_in_the_configuration_page_and_nothing_else() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/settings.py")}
    assert packages == HEADINGS.keys(), "give each package with settings a heading in HEADINGS"
    text = page("docs/reference/configuration.md")
    expected: list[str] = []
    for package, heading in HEADINGS.items():
        section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
        for settings in settings_of(package):
            table = settings_table(settings)
            assert table in section, (
                f"docs/reference/configuration.md, section {heading}: put in this table:\n{table}"
            )
            expected += re.findall(r"^\| `(LIVETWIN_\w+)`", table, re.MULTILINE)
    assert re.findall(r"^\| `(LIVETWIN_\w+)`", text, re.MULTILINE) == expected


def test_every_secret_is_named_as_one() -> None:
    secrets = {
        f"LIVETWIN_{name.upper()}"
        for package in HEADINGS
        for settings in settings_of(package)
        for name, field in settings.model_fields.items()
        if is_secret(field)
    }
    section = page("docs/reference/configuration.md").partition("## Secrets\n")[2].partition("\n**Each")[0]
    assert set(re.findall(r"`(LIVETWIN_\w+)`", section)) == secrets


def test_pages_name_no_setting_that_does_not_exist() -> None:
    known = {
        f"LIVETWIN_{name.upper()}"
        for package in HEADINGS
        for settings in settings_of(package)
        for name in settings.model_fields
    }
    known |= {
        f"LIVETWIN_{name.upper()}{FILE_SUFFIX}"
        for package in HEADINGS
        for settings in settings_of(package)
        for name, field in settings.model_fields.items()
        if is_secret(field)
    }
    known |= set(re.findall(r"^#(LIVETWIN_\w+)=", page(".env.example"), re.MULTILINE))
    named = {(path.name, one) for path in PAGES for one in re.findall(r"LIVETWIN_[A-Z]\w*", path.read_text())}
    assert {(path, one) for path, one in named if one not in known} == set()


# --- metrics ---


def test_every_metric_is_in_the_operations_page_with_its_type_and_nothing_else() -> None:
    found = {str(one.relative_to(ROOT)) for one in ROOT.glob("*/*metrics.py")} - METRIC_MODULES
    assert not found, f"{found}: add the metrics of this module to tests/support/metric_catalogue.py"
    documented = re.findall(
        r"^\| `(livetwin_\w+)` \| (\w+) \| (.*) \|$", page("docs/how-to/operations.md"), re.MULTILINE
    )
    metrics = all_metrics()
    assert sorted((name, kind) for name, kind, _ in documented) == sorted(
        (name, one.type) for name, one in metrics.items()
    ), "docs/how-to/operations.md must list each metric once, as a table row, with its type"
    missing = [
        (name, label)
        for name, _, meaning in documented
        for label in metrics[name].labels
        if f"`{label}`" not in meaning
    ]
    assert not missing, f"{missing}: docs/how-to/operations.md must name each label"


# --- quality flags ---


def test_the_page_of_the_api_lists_every_quality_flag_with_its_word() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| `([a-z]+)` \| \S", page("docs/reference/api.md"), re.MULTILINE)
    assert sorted(rows) == sorted(
        (name, quality_word(flag)) for flag in QualityFlag for name in flag_names(flag)
    )


# --- commands, links, versions ---


def test_every_command_is_in_the_operations_page_and_no_page_names_another() -> None:
    named = {
        (path.name, word)
        for path in PAGES
        for word in re.findall(r"(?:`|\n|bin/)livetwin ([a-z-]+)", path.read_text())
    }
    assert {(path, word) for path, word in named if word not in COMMANDS} == set()
    documented = {word for path, word in named if path == "operations.md"}
    assert COMMANDS.keys() - documented == set(), "docs/how-to/operations.md must name every command"


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        (str(path.relative_to(ROOT)), target)
        for path in PAGES
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text())
        if not target.startswith(("http://", "https://")) and not (path.parent / target).exists()
    ]
    assert broken == []


def test_pages_that_the_site_includes_link_to_pages_of_the_site() -> None:
    included = {
        (path.parent / name).resolve()
        for path in (ROOT / "docs").rglob("*.md")
        for name in re.findall(r"^```\{include\} (\S+)$", path.read_text(), re.MULTILINE)
    }
    assert ROOT / "CHANGELOG.md" in included
    outside = [
        f"{path.name}: {link}"
        for path in sorted(included)
        for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text())
        if not link.startswith(("docs/", "#", "https://", "http://"))
    ]
    assert outside == [], "name the page in docs/, such as docs/security-policy.md for SECURITY.md"


def test_decisions_are_numbered_without_a_gap_and_listed() -> None:
    decisions = sorted((ROOT / "docs/decisions").glob("0*.md"))
    assert [int(one.name[:4]) for one in decisions] == list(range(len(decisions)))
    for path in decisions:
        text = path.read_text()
        assert re.match(rf"# {path.name[:4]} · \S", text), (
            f"{path.name}: expected '# {path.name[:4]} · title'"
        )
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences"], path.name
        assert path.name in page("docs/architecture.md"), f"docs/architecture.md: list decisions/{path.name}"


def test_the_version_is_the_same_everywhere() -> None:
    version = tomllib.loads(page("pyproject.toml"))["project"]["version"]
    newest = re.search(r"^## \[([0-9.]+)\]", page("CHANGELOG.md"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == version, "the newest version in CHANGELOG.md is that of pyproject.toml"
    assert yaml.safe_load(page("publiccode.yml"))["softwareVersion"] == version


def test_publiccode_describes_the_software_in_both_languages() -> None:
    content: dict[str, Any] = yaml.safe_load(page("publiccode.yml"))
    assert content["publiccodeYmlVersion"] == "0.4"
    assert content["legal"]["license"] == "EUPL-1.2"
    assert content["maintenance"]["contacts"]
    for language in ("en", "nl"):
        described = content["description"][language]
        assert len(described["shortDescription"]) <= 150
        assert 150 <= len(described["longDescription"]) <= 10_000
        assert described["features"]
