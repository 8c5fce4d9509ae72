"""The style that no linter checks. A message says which file, what was found, and what to do."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support.repository import ROOT

FUNCTION_LINES_MAX = 60
BANNED_NAMES = {"util", "utils", "helper", "helpers", "common", "misc"}

# A longer function that is one table; splitting it would hide the table.
LONG_TABLES = {
    "twin/model/observed_property.py _properties",
}

# What only the machine or the registry at hand knows has no place in the source. In pieces, so that this file
# does not name them itself.
REGISTRY_HOSTS = re.compile(
    "|".join(
        re.escape(host).replace("_", r"\.")
        for host in (
            "pypi_org",
            "pythonhosted_org",
            "registry_npmjs",
            "registry_yarnpkg",
            "deb_debian",
            "security_debian_org",
            "docker_io/",  # without a slash it is the engine's package in Debian
            "ghcr_io",
            "quay_io",
        )
    )
    + r"|--(?:extra-)?index-url|--registry[= ]"
)
MACHINE_PATHS = re.compile(r"(?<![\w.$~}-])/(?:home|Users|root|work|mnt|media)/[\w.]")

# Folders that set-up and runs make; .gitignore has them, too. They count where there is no git to ask.
MADE = {"node_modules", "static", "build", "dist", "out"}


@cache
def source_files() -> tuple[Path, ...]:
    """Return every file of the source: what git tracks, and what is new and not ignored."""
    if shutil.which("git") is not None and (ROOT / ".git").exists():
        listing = subprocess.run(
            ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "-co", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        found = [ROOT / name for name in listing.split("\0") if name]
    else:
        found = [
            path
            for path in ROOT.rglob("*")
            if not any(
                part in MADE or (part.startswith(".") and part != ".ci")
                for part in path.relative_to(ROOT).parts[:-1]
            )
        ]
    return tuple(sorted(path for path in found if path.is_file()))


@cache
def modules() -> tuple[tuple[str, ast.Module, str], ...]:
    """Return name, syntax tree and text of every Python module."""
    return tuple(
        (shown(path), ast.parse(text := path.read_text()), text)
        for path in source_files()
        if path.suffix == ".py"
    )


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def texts() -> Iterator[tuple[str, str]]:
    """Yield name and text of every file that is text."""
    for path in source_files():
        data = path.read_bytes()
        if b"\0" not in data:
            yield shown(path), data.decode(errors="replace")


def places(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{number}: {found[0]}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if (found := pattern.search(line))
    ]


def test_the_source_is_found() -> None:
    names = {shown(path) for path in source_files()}
    assert {"pyproject.toml", "README.md", "twin/instant.py"} <= names
    assert len(modules()) > 50


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def own_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function without its docstring and the functions in it, counted apart."""
    lines = set(range(function.lineno, (function.end_lineno or function.lineno) + 1))
    others: list[ast.stmt] = [one for one in functions(function) if one is not function]
    if ast.get_docstring(function) is not None:
        others.append(function.body[0])
    for other in others:
        lines -= set(range(other.lineno, (other.end_lineno or other.lineno) + 1))
    return len(lines)


def test_functions_are_short() -> None:
    long = {
        f"{name} {node.name}": f"{own_lines(node)} lines at line {node.lineno}"
        for name, tree, _ in modules()
        for node in functions(tree)
        if own_lines(node) > FUNCTION_LINES_MAX
    }
    others = {name: found for name, found in long.items() if name not in LONG_TABLES}
    assert not others, f"{others}: at most {FUNCTION_LINES_MAX} lines a function; give a step of it a name"
    assert not LONG_TABLES - long.keys(), f"{LONG_TABLES - long.keys()}: short now; take it from LONG_TABLES"


def test_every_module_has_a_docstring() -> None:
    bare = [name for name, tree, _ in modules() if not ast.get_docstring(tree)]
    assert not bare, f"{bare}: say in a sentence what the module is"


def test_modules_are_named_by_a_noun_of_the_domain() -> None:
    banned = [name for name, _, _ in modules() if BANNED_NAMES & set(Path(name).with_suffix("").parts)]
    assert not banned, f"{banned}: name a module by what it is; put each function beside its user"


def test_no_file_names_a_package_registry() -> None:
    found = places(REGISTRY_HOSTS)
    assert not found, f"{found}: which registry is used is the machine's configuration, not the source's"


def test_no_file_names_a_path_of_one_machine() -> None:
    found = places(MACHINE_PATHS)
    assert not found, f"{found}: use a path relative to the repository, or a setting"


def test_pages_that_files_refer_to_exist() -> None:
    known = {path.name for path in source_files()}
    named = {(name, page) for name, text in texts() for page in re.findall(r"\b[A-Z]{4,}\.md\b", text)}
    missing = {one for one in named if one[1] not in known}
    assert not missing, f"{missing}: refer to a page of this repository"


def test_type_ignores_say_what_they_ignore() -> None:
    found = places(re.compile(r"#\s*type:\s*ignore(?!\[)"))
    assert not found, f"{found}: write the error's code, as in `type: ignore[override]` would have it"


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_make_targets_in_the_pages_exist() -> None:
    named = {
        (name, target)
        for name, text in texts()
        if name.endswith((".md", ".py", ".sh"))
        for target in re.findall(r"(?:`|^)make ([a-z][a-z-]*)", text, re.MULTILINE)
    }
    unknown = {one for one in named if one[1] not in make_targets()}
    assert not unknown, f"{unknown}: the Makefile has {sorted(make_targets())}"
    assert {target for name, target in named if name == "README.md"} >= {"demo", "test", "check"}


def test_folders_in_the_pages_exist() -> None:
    """A folder is written with a slash at its end, in backticks."""
    known = {str(parent) for path in source_files() for parent in path.relative_to(ROOT).parents}
    missing = {
        (name, folder)
        for name in ("README.md", "CONTRIBUTING.md")
        for folder in re.findall(r"`([\w./-]+)/`", (ROOT / name).read_text())
        if folder not in known
    }
    assert not missing, f"{missing}: no such folder in the source"


def test_the_readme_tells_of_every_top_folder() -> None:
    tops = {shown(path).split("/")[0] for path in source_files() if path.parent != ROOT}
    told = set(re.findall(r"`([\w-]+)/", (ROOT / "README.md").read_text()))
    missing = {one for one in tops - told if not one.startswith(".")}
    assert not missing, f"{missing}: add the folder to the layout in README.md"
