"""Settings of the documentation site; `make docs` builds it into docs/_build/html."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS.parent), str(DOCS / "_ext")]

project = "LiveTwin"
author = "the LiveTwin maintainers"
release = version = importlib.metadata.version("livetwin")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.apidoc", "http_api_page"]
exclude_patterns = ["_build", "_ext"]
nitpicky = False  # types of libraries have no inventory that could be fetched offline

html_theme = "furo"
html_title = "LiveTwin"
html_show_sphinx = False

# Headings get anchors as on the forges, so that a link works there and here.
myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "undoc-members": False, "show-inheritance": False}

PACKAGES = (
    "twin",
    "ingest",
    "stream",
    "alerting",
    "storage",
    "api",
    "outlets",
    "cities",
    "simulators",
    "cli",
    "runtime",
)

apidoc_modules = [
    {
        "path": str(DOCS.parent / package),
        "destination": f"reference/python/{package}",
        "separate_modules": False,
        "module_first": True,
        "exclude_patterns": ["**/static"],
        "automodule_options": {"members"},
    }
    for package in PACKAGES
]


def mark_code(
    _app: Sphinx, _kind: str, _name: str, _item: object, _options: object, lines: list[str]
) -> None:
    """Turn `code` of the docstrings, which are plain text, into literals of reStructuredText."""
    lines[:] = [re.sub(r"(?<!`)`([^`]+)`(?!`)(\w?)", r"``\1``\\ \2", line).rstrip() for line in lines]


# A set of words, as its `repr` shows it.
SET = re.compile(r"\{('[^{}:]*')\}")


def stable_signature(
    _app: Sphinx,
    _kind: str,
    _name: str,
    _item: object,
    _options: object,
    signature: str | None,
    returned: str | None,
) -> tuple[str | None, str | None]:
    """Make paths in default values relative and sort sets: the site is the same wherever it is built."""
    if signature is not None:
        signature = signature.replace(f"{DOCS.parent}/", "")
        signature = SET.sub(lambda found: "{" + ", ".join(sorted(found[1].split(", "))) + "}", signature)
    return signature, returned


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.connect("autodoc-process-docstring", mark_code)
    app.connect("autodoc-process-signature", stable_signature)
