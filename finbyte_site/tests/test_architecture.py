"""What linters cannot say about the code as a whole."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from finbyte_site.env import BASE_DIR

APPS = ("accounts", "api", "bots", "finbyte_site", "market", "portfolio")
LONGEST_MODULE = 400
# A test module is a list; it is not read from top to bottom.
LONGEST_TEST = 700
LONGEST_FUNCTION = 50
# Statistics, prices of the simulator, compiled kernels and curves for display may be float.
FLOATING = re.compile(
    r"(bots/domain/(prediction/|kernels|backtest|indicators|statistics|suggestions|curves)"
    r"|market/domain/simulated|portfolio/domain/statistics)"
)
FORBIDDEN_NAMES = {"utils.py", "helpers.py", "common.py", "misc.py"}


def modules(*, with_tests: bool = False) -> Iterator[Path]:
    for app in APPS:
        for path in sorted((BASE_DIR / app).rglob("*.py")):
            parts = path.relative_to(BASE_DIR).parts
            if "migrations" in parts or ("tests" in parts and not with_tests):
                continue
            yield path


def named(path: Path, line: int) -> str:
    return f"{path.relative_to(BASE_DIR)}:{line}"


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def long_modules(paths: Iterator[Path]) -> list[str]:
    found = []
    for path in paths:
        count = len(path.read_text().splitlines())
        if count > (LONGEST_TEST if "tests" in path.parts else LONGEST_MODULE):
            found.append(f"{path.relative_to(BASE_DIR)} has {count} lines")
    return found


def long_functions(path: Path) -> list[str]:
    found = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > LONGEST_FUNCTION:
                found.append(f"{named(path, node.lineno)} {node.name} has {length} lines")
    return found


def floats(path: Path) -> list[str]:
    """Return where a domain module uses a float: a literal, a call or an annotation.

    Lengths of time in seconds may be floats, and asking whether a value is one is no use of it.
    """
    nodes = tree(path)
    allowed = {id(part) for node in ast.walk(nodes) if _is_allowed(node) for part in ast.walk(node)}
    found = []
    for node in ast.walk(nodes):
        if not isinstance(node, ast.expr) or id(node) in allowed:
            continue
        is_literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
        is_name = isinstance(node, ast.Name) and node.id == "float"
        if is_literal or is_name:
            found.append(named(path, node.lineno))
    return found


def _is_allowed(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "isinstance"
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id.endswith(("_after", "_seconds"))
    return False


def clock_defaults(path: Path) -> list[str]:
    """Return model columns that fill themselves with the time of the machine (decisions 19)."""
    found = []
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.keyword):
            continue
        is_now = node.arg in {"default", "db_default"} and re.search(
            r"\b(now|Now|utcnow|today)\b", ast.unparse(node.value)
        )
        if is_now or node.arg in {"auto_now", "auto_now_add"}:
            found.append(named(path, node.value.lineno))
    return found


def test_no_module_is_too_long():
    assert long_modules(modules(with_tests=True)) == []


def test_no_function_is_too_long():
    assert [line for path in modules() for line in long_functions(path)] == []


def test_no_module_has_a_name_that_says_nothing():
    assert [str(path) for path in modules(with_tests=True) if path.name in FORBIDDEN_NAMES] == []


@pytest.mark.parametrize("app", ["accounts", "market", "portfolio", "bots"])
def test_money_in_the_domain_is_never_a_float(app):
    found = []
    for path in sorted((BASE_DIR / app / "domain").rglob("*.py")):
        if not FLOATING.match(str(path.relative_to(BASE_DIR))):
            found += floats(path)
    assert found == []


@pytest.mark.parametrize("app", ["accounts", "market", "portfolio", "bots"])
def test_every_app_with_models_has_a_migrations_package(app):
    # makemigrations --check is silent about an app without one.
    assert (BASE_DIR / app / "migrations" / "__init__.py").is_file()


def test_no_column_takes_the_time_by_itself():
    found = []
    for app in APPS:
        for path in sorted((BASE_DIR / app / "models").rglob("*.py")):
            found += clock_defaults(path)
    assert found == []


def test_no_migration_gives_a_column_the_time_of_the_machine():
    pattern = re.compile(
        r"auto_now|db_default=.*Now\(|DEFAULT\s+(now\(\)|CURRENT_TIMESTAMP)", re.IGNORECASE
    )
    found = []
    for app in APPS:
        for path in sorted((BASE_DIR / app / "migrations").glob("*.py")):
            found += [named(path, 1) for _ in pattern.finditer(path.read_text())]
    assert found == []


PLANTED = """
from decimal import Decimal
from django.db import models
RATE = 0.05
def fee(price: float) -> Decimal: return Decimal(price)
class Order(models.Model):
    placed_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(auto_now=True)
"""


def test_the_checks_catch_what_they_are_for(monkeypatch, tmp_path):
    monkeypatch.setattr("finbyte_site.tests.test_architecture.BASE_DIR", tmp_path)
    path = tmp_path / "planted.py"
    path.write_text(PLANTED)
    assert floats(path) == ["planted.py:4", "planted.py:5"]
    assert clock_defaults(path) == ["planted.py:7", "planted.py:8"]
    path.write_text("def long():\n" + "    pass\n" * 400)
    assert long_functions(path) == ["planted.py:1 long has 401 lines"]
    assert long_modules(iter([path])) == ["planted.py has 401 lines"]
