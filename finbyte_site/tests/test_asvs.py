"""The security checklist names tests that exist."""

import ast
import re
from pathlib import Path

import pytest
from django.conf import settings

PAGE = Path(settings.BASE_DIR) / "docs" / "asvs.md"
_TEST = re.compile(r"`([\w/]+\.py)::((?:\w+::)?\w+)`")
_ROW = re.compile(r"^\| \d+\.\d+\.\d+.*$", re.MULTILINE)


def names_in(path: Path) -> set[str]:
    """Return the tests of a file, as pytest names them."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef):
            inner = [each.name for each in node.body if isinstance(each, _FUNCTIONS)]
            found |= {f"{node.name}::{name}" for name in inner}
        elif isinstance(node, _FUNCTIONS):
            found.add(node.name)
    return found


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def test_every_test_that_is_named_exists() -> None:
    named = _TEST.findall(PAGE.read_text())
    gone = [
        f"{path}::{name}"
        for path, name in named
        if not (settings.BASE_DIR / path).is_file()
        or name not in names_in(settings.BASE_DIR / path)
    ]
    assert len(named) > 90
    assert not gone


@pytest.mark.parametrize("row", _ROW.findall(PAGE.read_text().partition("## Not met")[0]))
def test_every_row_names_a_test(row: str) -> None:
    assert _TEST.search(row)
