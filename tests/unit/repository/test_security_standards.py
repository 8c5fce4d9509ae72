"""The page of standards maps each row of the threat model, and answers each item of OWASP."""

from __future__ import annotations

import re

from tests.support.repository import ROOT

MODEL_PAGE = "docs/explanation/security.md"
PAGE_NAME = "docs/explanation/security-standards.md"
PAGE = (ROOT / PAGE_NAME).read_text()

# The numbers of ISO/IEC 27002:2022, which BIO2 uses: 37 controls in chapter 5, 8 in 6, 14 in 7 and 34 in 8.
CONTROLS = {
    f"{chapter}.{number}"
    for chapter, count in ((5, 37), (6, 8), (7, 14), (8, 34))
    for number in range(1, count + 1)
}
# The titles of the list of 2023.
OWASP = {
    "API1:2023": "Broken Object Level Authorization",
    "API2:2023": "Broken Authentication",
    "API3:2023": "Broken Object Property Level Authorization",
    "API4:2023": "Unrestricted Resource Consumption",
    "API5:2023": "Broken Function Level Authorization",
    "API6:2023": "Unrestricted Access to Sensitive Business Flows",
    "API7:2023": "Server Side Request Forgery",
    "API8:2023": "Security Misconfiguration",
    "API9:2023": "Improper Inventory Management",
    "API10:2023": "Unsafe Consumption of APIs",
}
NO_ITEM = {"not an API", "not mapped"}

_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def section(text: str, title: str) -> str:
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def table_rows(text: str) -> list[list[str]]:
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def boundaries(text: str) -> dict[str, list[list[str]]]:
    parts = [part.partition("\n") for part in text.split("\n### ")[1:]]
    return {title: table_rows(body) for title, _, body in parts}


MODEL = boundaries(section((ROOT / MODEL_PAGE).read_text(), "Threat model"))
MAPPED = boundaries(section(PAGE, "Rows of the threat model"))


def test_every_row_of_the_threat_model_is_mapped_and_nothing_else() -> None:
    rows = {(title, row[0], row[1]) for title, found in MODEL.items() for row in found}
    mapped = [(title, row[0], row[1]) for title, found in MAPPED.items() for row in found]
    missing, gone = rows - set(mapped), set(mapped) - rows
    assert not missing, f"{PAGE_NAME}: map these rows of {MODEL_PAGE}, in the same words: {sorted(missing)}"
    assert not gone, f"{PAGE_NAME}: {MODEL_PAGE} has no such rows: {sorted(gone)}"
    assert len(set(mapped)) == len(mapped)


def test_every_row_names_controls_that_exist() -> None:
    listed = dict(re.findall(r"^\| (\d\.\d+) \| ([^|]+) \|$", PAGE, re.MULTILINE))
    named = {
        control
        for found in MAPPED.values()
        for row in found
        for control in row[2].split(", ")
        if row[2] != "not mapped"
    }
    assert named <= CONTROLS, f"{named - CONTROLS}: no control of ISO/IEC 27002:2022 has this number"
    assert named == listed.keys(), f"{named ^ listed.keys()}: the list has each control that a row names"


def test_every_row_names_an_item_of_owasp_or_says_why_not() -> None:
    items = {name.partition(":")[0] for name in OWASP}
    for title, found in MAPPED.items():
        for row in found:
            named = set(row[3].split(", "))
            assert named <= items or (len(named) == 1 and named <= NO_ITEM), f"{title}: {row}"
            if title == "People and programs to the API":
                assert named != {"not an API"}, row


def test_every_item_of_owasp_is_answered_with_a_test() -> None:
    rows = table_rows(section(PAGE, "OWASP API Security Top 10 2023"))
    assert {row[0]: row[1] for row in rows} == OWASP
    for row in rows:
        assert len(row[2].split()) > 8, row
        assert _TEST.search(row[3]), f"{row[0]}: name a test"


def test_every_subject_of_tls_names_a_test_or_says_what_is_open() -> None:
    rows = table_rows(section(PAGE, "NCSC: guidelines for TLS, version 2.1"))
    assert {"versions", "cipher suites", "curves"} <= {row[0] for row in rows}
    for row in rows:
        assert _TEST.search(row[3]) or "test" in row[3] or "same" in row[3] or "*open*" in row[2], row


def test_every_test_that_is_named_exists() -> None:
    missing = [
        f"{path}::{name}"
        for path, name in _TEST.findall(PAGE)
        if not (ROOT / path).exists() or f"def {name}(" not in (ROOT / path).read_text()
    ]
    assert missing == [], f"{PAGE_NAME}: the test was renamed, or is gone; then what it proved is open"
