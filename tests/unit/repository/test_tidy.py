"""Checks the style that no linter checks. A failure names the file, what was found and what to do."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support.repository import ROOT, WHEEL_PACKAGES

FUNCTION_LINES_MAX = 60
FOLDER_MODULES_MAX = 20
SENTENCE_WORDS_MIN = 8
EMPTY_NAMES = {"util", "utils", "helper", "helpers", "common", "misc"}

# Modules once had these names. A reader of the field looks for another word.
METAPHORS = re.compile(
    r"agenda|allowance|announcement|books|collector|course|desk|feed|gate|happenings|knowledge|lanes|"
    r"letter|liveness|lookout|news|nights|origins|pacing|post|reception|screen|stretch|supply|"
    r"surroundings|tell|teller|telling|terms|told|trail|tries|upkeep|usual|verdict|watcher|way|wording|words"
)

# A migration is a file for ever: this folder grows with each one.
FOLDERS_THAT_GROW = {"storage/migrations"}

# A longer function that is one table; splitting it would hide the table.
LONG_TABLES = {
    "twin/model/observed_property.py _properties",
}

# The source names neither package registries nor paths of one machine. The hosts are written with `_` so that
# this file passes its own test.
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

PRODUCT = {*WHEEL_PACKAGES, "benchmarks"}

# Folders that set-up and runs create. They are skipped where git cannot list the source.
MADE = {"node_modules", "static", "build", "dist", "out"}


@cache
def source_files() -> tuple[Path, ...]:
    """Return every file of the source: tracked by git, or new and not ignored."""
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


def is_product(name: str) -> bool:
    """Whether a module is delivered, or measures what is delivered."""
    return name.partition("/")[0] in PRODUCT


def texts() -> Iterator[tuple[str, str]]:
    """Yield name and text of every text file."""
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
    """Return the number of lines of a function, without its docstring and its inner functions."""
    lines = set(range(function.lineno, (function.end_lineno or function.lineno) + 1))
    others: list[ast.stmt] = [inner for inner in functions(function) if inner is not function]
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
    assert not bare, f"{bare}: describe the module in a sentence"


def test_modules_are_named_by_the_word_of_the_field() -> None:
    banned = [
        name
        for name, _, _ in modules()
        if any(part in EMPTY_NAMES or METAPHORS.fullmatch(part) for part in Path(name).with_suffix("").parts)
    ]
    assert not banned, f"{banned}: name a module by the term that an engineer of this field searches for"


def test_public_class_names_are_unique() -> None:
    """A test or a page of the documentation may use a name again."""
    places = defaultdict(list)
    for name, tree, _ in modules():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and is_product(name):
                places[node.name].append(name)
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert not twice, f"{twice}: qualify the name, as in ChirpstackDevice"
    assert len(places) > 500


def test_folders_are_rooms_and_not_heaps() -> None:
    """A package's own `__init__.py` does not count; a file of SQL does."""
    counts = Counter(
        shown(path.parent)
        for path in source_files()
        if path.suffix in {".py", ".sql"} and path.name != "__init__.py"
    )
    heaps = {
        folder: count
        for folder, count in counts.items()
        if count > FOLDER_MODULES_MAX and folder not in FOLDERS_THAT_GROW
    }
    assert not heaps, f"{heaps}: at most {FOLDER_MODULES_MAX} modules a folder; make packages by concept"


def test_every_package_says_what_lives_there() -> None:
    texts = {name: ast.get_docstring(tree) or "" for name, tree, _ in modules() if is_product(name)}
    inits = {f"{name.rpartition('/')[0]}/__init__.py" for name in texts}
    silent = [name for name in inits if len(texts.get(name, "").split()) < SENTENCE_WORDS_MIN]
    assert not silent, f"{silent}: say in a sentence what lives in the package, and what may not"


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
    """Pages write a folder in backticks, with a slash at its end."""
    known = {str(parent) for path in source_files() for parent in path.relative_to(ROOT).parents}
    missing = {
        (name, folder)
        for name in ("README.md", "CONTRIBUTING.md")
        for folder in re.findall(r"`([\w./-]+)/`", (ROOT / name).read_text())
        if folder not in known
    }
    assert not missing, f"{missing}: no such folder in the source"


def test_the_readme_names_every_top_folder() -> None:
    tops = {shown(path).split("/")[0] for path in source_files() if path.parent != ROOT}
    documented = set(re.findall(r"`([\w-]+)/", (ROOT / "docs/architecture.md").read_text()))
    missing = {one for one in tops - documented if not one.startswith(".")}
    assert not missing, f"{missing}: add the folder to the module map in docs/architecture.md"
