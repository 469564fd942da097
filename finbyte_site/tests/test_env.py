"""A wrong or missing setting stops the process with one line that names it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from finbyte_site import env

GOOD = {
    "SECRET_KEY": "s" * 50,
    "DATABASE_URL": "postgresql://app:secret@127.0.0.1:1/finbyte",
    "REDIS_URL": "redis://:secret@127.0.0.1:1/0",
}
PRODUCTION = {
    **GOOD,
    "FINBYTE_PRODUCTION": "1",
    "PUBLIC_URL": "https://trade.example.com",
    "FIELD_KEYS": "k" * 44,
}
BAD = [
    (GOOD, "SECRET_KEY", ""),
    (GOOD, "DATABASE_URL", ""),
    (GOOD, "DATABASE_URL", "sqlite:///db.sqlite3"),
    (GOOD, "DATABASE_URL", "postgresql://127.0.0.1"),
    (GOOD, "DATABASE_URL", "postgresql://127.0.0.1:port/finbyte"),
    (GOOD, "REDIS_URL", ""),
    (GOOD, "REDIS_URL", "http://127.0.0.1"),
    (GOOD, "REDIS_URL", "redis://127.0.0.1/zero"),
    (GOOD, "PORT", "eighty"),
    (GOOD, "PORT", "65536"),
    (GOOD, "FINBYTE_POOL_SIZE", "51"),
    (GOOD, "FINBYTE_DEBUG", "maybe"),
    (GOOD, "FINBYTE_LOG_LEVEL", "LOUD"),
    (GOOD, "PUBLIC_URL", "trade.example.com"),
    (GOOD, "PUBLIC_URL", "http://192.168.1.5:8000"),
    (PRODUCTION, "PUBLIC_URL", "http://127.0.0.1:8000"),
    (PRODUCTION, "FIELD_KEYS", ""),
    (PRODUCTION, "SECRET_KEY", "short"),
    (PRODUCTION, "FINBYTE_DEBUG", "1"),
]


def load_settings(var: Path, values: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import finbyte_site.settings"],
        env={"PATH": os.environ["PATH"], "FINBYTE_VAR": str(var), **values},
        cwd=env.BASE_DIR, capture_output=True, text=True, check=False,
    )  # fmt: skip


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize(("base", "name", "value"), BAD)
def test_a_bad_setting_is_one_line_that_names_it(tmp_path, base, name, value):
    line = one_line(load_settings(tmp_path, {**base, name: value}))
    assert name in line
    assert "secret" not in line


def test_production_refuses_the_generated_secret(tmp_path):
    (tmp_path / "runtime.env").write_text(f"SECRET_KEY={PRODUCTION['SECRET_KEY']}\n")
    line = one_line(load_settings(tmp_path, PRODUCTION))
    assert line.startswith("SECRET_KEY is the generated one")


def test_good_settings_load(tmp_path):
    for values in (GOOD, PRODUCTION):
        done = load_settings(tmp_path, values)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"SECRET_KEY\n", "line 1 is not NAME=value"),
        (b"# fine\n\nA=1\nB C=2\n", "line 4 is not NAME=value"),
        (b"A=1\n\xff\xfe\n", "is not a text file"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path, content, words):
    path = tmp_path / ".env"
    path.write_bytes(content)
    with pytest.raises(env.SettingError, match=words) as caught:
        list(env.read_pairs(path))
    assert str(path) in str(caught.value)


def test_the_environment_wins_over_the_file(tmp_path, monkeypatch):
    (tmp_path / "runtime.env").write_text('FROM_FILE="a file"\nFROM_BOTH=file\n')
    monkeypatch.setenv("FINBYTE_VAR", str(tmp_path))
    monkeypatch.setenv("FROM_BOTH", "environment")
    monkeypatch.delenv("FROM_FILE", raising=False)
    env.load_environment()
    monkeypatch.setenv("FROM_FILE", os.environ["FROM_FILE"])
    assert (os.environ["FROM_FILE"], os.environ["FROM_BOTH"]) == ("a file", "environment")


def test_a_socket_folder_comes_from_the_address(monkeypatch):
    monkeypatch.setenv("SOME_URL", "postgresql://app:p%40ss@/finbyte?host=%2Frun%2Ffb")
    values = env.database("SOME_URL")
    assert (values["HOST"], values["PASSWORD"], values["NAME"]) == ("/run/fb", "p@ss", "finbyte")
