"""Values of use in place of drawn ones: ids that exist, instruments, numbers; and nasty texts."""

import json
from collections.abc import Mapping
from copy import deepcopy
from random import Random
from typing import Any
from zlib import crc32

from schemathesis import Case
from schemathesis.generation import GenerationMode

from api import examples

_PLACES = (("NSE", "ONGC"), ("BINANCE", "BTCUSDT"), ("BSE", "ONGC"), ("NSE", "NOTHING"))
USEFUL: dict[str, tuple[Any, ...]] = {
    "quantity": ("1", "10", "0.001", "7"),
    "price": ("260", "262", "255.5", "61000", "260.001"),
    "trigger_price": ("258", "270"),
    "rhs_constant": ("200", "300.5"),
    "amount": ("1", "1000"),
    "i": (["NSE:ONGC"], ["NSE:ONGC", "633601", "X:Y"]),
    "from": ("2026-11-20", "2026-11-20 09:15:00", "0000-01-01", "9999-12-31", "2026-02-30"),
    "to": ("2026-11-21", "2026-11-21T15:30:00+05:30", "0001-01-01 00:00:00", "9999-12-31"),
}
# In place of one value of the JSON inside a form's field, or of a row.
NASTY: tuple[Any, ...] = (
    *(None, True, "", [], {}, [[]], {"a": {"b": [1]}}, 0, -1, -0.0, 1.5, 2**63, 10**40, -(10**40)),
    *("1e400", "NaN", "Infinity", "-0", "1_0", "\u0663", "0x10", " 10 ", "1,000", "+5", "5."),
    *("\0", "a\0b", "\ud800", "\u202e", "x" * 5000, "9" * 400, "' OR 1=1 --", "🚀", "BUY\n"),
)
# As no JSON library writes them.
_RAW = ("1e400", "-1e400", "NaN", "Infinity", "1e-400", "00", "1" * 5000, "[" * 30, "{")
_TEMPLATES = {
    "condition": examples.TRIGGERS[1].value["condition"],
    "orders": examples.TRIGGERS[1].value["orders"],
    "basket": examples.ALERTS[1].value["basket"],
}


class Feeder:
    """Changes about half of the cases that are valid by the file, always in the same way."""

    def __init__(self, ids: Mapping[str, list[Any]], shown: Mapping[str, list[Any]]) -> None:
        self._ids, self._shown = ids, shown
        # Cases that are no longer what the file calls valid.
        self.spoilt: set[str] = set()
        self._fed: set[str] = set()

    def feed(self, case: Case[Any]) -> None:
        """Put values of use into a case, or a nasty one into its JSON; once."""
        meta = case.meta
        if meta is None or meta.generation.mode != GenerationMode.POSITIVE or case.id in self._fed:
            return
        self._fed.add(case.id)
        # What is drawn is kept and drawn again.
        case.path_parameters, case.query, case.body = deepcopy(
            (case.path_parameters, case.query, case.body)
        )
        seed = repr((case.method, case.path, case.path_parameters, case.query, case.body))
        chance = Random(crc32(seed.encode(errors="replace")))  # noqa: S311 - the same each time
        self._feed_path(case, chance)
        self._feed_body(case, chance)
        for fields in (case.query, case.body):
            for row in fields if isinstance(fields, list) else [fields]:
                if isinstance(row, dict):
                    _feed_fields(row, chance)
        if chance.random() < 0.3 and self._spoil(case, chance):
            self.spoilt.add(case.id)

    def _feed_path(self, case: Case[Any], chance: Random) -> None:
        if "uuid" in (case.query or {}) and chance.random() < 0.6:
            case.query["uuid"] = [chance.choice(self._ids["uuid"])]
        for name in case.path_parameters or {}:
            known = self._ids.get(name)
            # A variety where an order is placed.
            is_id = name != "name" or (case.method == "GET" and case.path.startswith("/orders"))
            if known and is_id and chance.random() < 0.6:
                case.path_parameters[name] = chance.choice(known)

    def _feed_body(self, case: Case[Any], chance: Random) -> None:
        """Put an example in the place of a body; one field in two stays as it was drawn."""
        shown = self._shown.get(case.operation.label)
        if not shown or not case.body or chance.random() < 0.5:
            return
        body = deepcopy(chance.choice(shown))
        if isinstance(body, dict) and isinstance(case.body, dict) and chance.random() < 0.5:
            name = chance.choice(sorted(case.body))
            body[name] = case.body[name]
        if "client_order_id" in body:
            # The same one again would be the same order again.
            body["client_order_id"] = f"fuzz-{chance.getrandbits(60)}"
        case.body = body

    def _spoil(self, case: Case[Any], chance: Random) -> bool:
        if isinstance(case.body, list):
            rows = [row for row in case.body if isinstance(row, dict)]
            for row in rows[:1]:
                row[chance.choice(sorted(row) or ["price"])] = chance.choice(NASTY)
            return bool(rows)
        if not isinstance(case.body, dict):
            return False
        inner = sorted(set(_TEMPLATES) & set(case.body))
        for name in inner:
            case.body[name] = spoilt_json(_TEMPLATES[name], chance)
        return bool(inner)


def _feed_fields(fields: dict[str, Any], chance: Random) -> None:
    for name, values in USEFUL.items():
        if name in fields and chance.random() < 0.6:
            fields[name] = chance.choice(values)
    for prefix in ("", "lhs_", "rhs_"):
        names = (f"{prefix}exchange", f"{prefix}tradingsymbol")
        if all(name in fields for name in names) and chance.random() < 0.8:
            fields.update(zip(names, chance.choice(_PLACES), strict=True))
    for name, text in _TEMPLATES.items():
        if name in fields and chance.random() < 0.7:
            fields[name] = text


def spoilt_json(text: str, chance: Random) -> str:
    """Return JSON with one value of it replaced by something else."""
    whole = json.loads(text)
    places = list(_places(whole))
    holder, key = chance.choice(places)
    if chance.random() < 0.3:
        holder[key] = "@"
        return json.dumps(whole).replace('"@"', chance.choice(_RAW))
    holder[key] = chance.choice(NASTY)
    return json.dumps(whole)


def _places(value: Any) -> Any:
    found = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(found):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)
