"""The values of a running copy: made on the first run, kept in `runtime.env` (decisions 46)."""

import base64
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from finbyte_site.embedded.layout import Layout
from finbyte_site.embedded.system import StartError, private_file
from finbyte_site.env import SettingError, read_pairs

HEADER = """\
# Written by `make run`; readable by nobody else. The environment and .env win over it.
# Delete a line to have a fresh value made; delete FIELD_KEYS and stored secrets are lost.
"""
_NO_CONFUSION = "abcdefghjkmnpqrstuvwxyz23456789"


def read_runtime(layout: Layout) -> dict[str, str]:
    """Return what the last run wrote; nothing when there was none."""
    if not layout.runtime_env.is_file():
        return {}
    try:
        return dict(read_pairs(layout.runtime_env))
    except SettingError as error:
        raise StartError(str(error)) from error


def complete_runtime(values: Mapping[str, str]) -> dict[str, str]:
    """Return the values with those that are missing made; nothing is made that the environment gives.

    What was kept stays kept: the environment only wins over it for one run.
    """
    made = {
        "SECRET_KEY": lambda: secrets.token_urlsafe(48),
        "FIELD_KEYS": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "DEMO_PASSWORD": readable_password,
        "STAFF_PASSWORD": readable_password,
    }
    result = dict(values)
    for name, make in made.items():
        if not result.get(name) and not os.environ.get(name):
            result[name] = make()
    return result


def write_runtime(layout: Layout, values: Mapping[str, str]) -> None:
    """Write the values for the processes of the copy, readable by nobody else."""
    lines = [f"{name}={value}\n" for name, value in sorted(values.items())]
    private_file(layout.runtime_env, HEADER + "".join(lines))


def kept_secret(layout: Layout, name: str) -> str:
    """Return a password that only the supervisor uses, made on first use."""
    path = layout.secrets / name
    if not path.is_file():
        private_file(path, secrets.token_urlsafe(32))
    return path.read_text()


def readable_password() -> str:
    """Return a random password that people can type: four groups of five, 98 bits."""
    groups = ["".join(secrets.choice(_NO_CONFUSION) for _ in range(5)) for _ in range(4)]
    return "-".join(groups)


def remember_address(layout: Layout, address: str) -> None:
    """Keep the address for the second `make run`."""
    private_file(address_file(layout.var), address + "\n")


def address_file(var: Path) -> Path:
    """Return the file that holds the address of the copy in `var`."""
    return var / "address"
