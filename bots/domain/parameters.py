"""What a kind of bot is set up with, described for programs: names, types, limits, defaults."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class ParameterType(StrEnum):
    """What a parameter is. Decimals, prices and fractions travel as texts (bots.md 1.1)."""

    TEXT = "text"
    DECIMAL = "decimal"
    PRICE = "price"
    FRACTION = "fraction"
    WHOLE = "integer"
    CHOICE = "choice"
    FLAG = "boolean"
    TIME = "datetime"


_JSON_TYPES: dict[ParameterType, dict[str, Any]] = {
    ParameterType.TEXT: {"type": "string"},
    ParameterType.DECIMAL: {"type": "string", "format": "decimal"},
    ParameterType.PRICE: {"type": "string", "format": "decimal"},
    ParameterType.FRACTION: {"type": "string", "format": "decimal"},
    ParameterType.WHOLE: {"type": "integer"},
    ParameterType.CHOICE: {"type": "string"},
    ParameterType.FLAG: {"type": "boolean"},
    ParameterType.TIME: {"type": "string", "format": "date-time"},
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. `default` None: it must be given, unless it is `optional`.

    `minimum` and `maximum` are limits that do not depend on the market; the rest is checked when
    a bot is made.
    """

    name: str
    type: ParameterType
    meaning: str
    default: str | None = None
    optional: bool = False
    choices: tuple[str, ...] = ()
    minimum: str | None = None
    maximum: str | None = None

    @property
    def is_required(self) -> bool:
        """Say whether a bot cannot be made without it."""
        return self.default is None and not self.optional

    def json_schema(self) -> dict[str, Any]:
        """Return the parameter as JSON Schema; limits of decimals stand in x-minimum, x-maximum."""
        schema = {**_JSON_TYPES[self.type], "description": self.meaning}
        if self.choices:
            schema["enum"] = list(self.choices)
        if self.default is not None:
            schema["default"] = self._typed(self.default)
        prefix = "" if self.type is ParameterType.WHOLE else "x-"
        for word, limit in (("minimum", self.minimum), ("maximum", self.maximum)):
            if limit is not None:
                schema[prefix + word] = self._typed(limit)
        return schema

    def _typed(self, text: str) -> object:
        if self.type is ParameterType.WHOLE:
            return int(text)
        return text == "true" if self.type is ParameterType.FLAG else text


def json_schema(parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    """Return the JSON Schema of a kind's parameters."""
    return {
        "type": "object",
        "properties": {each.name: each.json_schema() for each in parameters},
        "required": [each.name for each in parameters if each.is_required],
        "additionalProperties": False,
    }
