"""The site of the documentation is the same wherever it is built."""

from __future__ import annotations

import importlib.util
import inspect

from api.settings import ApiSettings
from tests.support.repository import ROOT


def shown(signature: str) -> str:
    """Return a signature as docs/conf.py lets Sphinx show it."""
    spec = importlib.util.spec_from_file_location("site_settings", ROOT / "docs/conf.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    changed, _ = module.stable_signature(None, "class", "", None, None, signature, None)
    return str(changed)


def test_paths_in_signatures_are_relative() -> None:
    signature = str(inspect.signature(ApiSettings))
    assert str(ROOT) in signature, "the default of static_dir is absolute"
    assert str(ROOT) not in shown(signature)
    assert "PosixPath('api/static')" in shown(signature)


def test_sets_in_signatures_are_sorted() -> None:
    assert (
        shown("(kinds=frozenset({'state', 'alarm', 'gap'}))")
        == "(kinds=frozenset({'alarm', 'gap', 'state'}))"
    )
    assert shown("(names={'b': 1, 'a': 2})") == "(names={'b': 1, 'a': 2})"
