"""Numbers as programs send them: what could be read in two ways is no number (`1_000`, `1e5`)."""

import re
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from market.domain.typed_numbers import plain_number

_WHOLE = re.compile(r"[+-]?[0-9]{1,20}(\.0{1,12})?")


class PlainNumber(serializers.DecimalField):
    """A number in plain decimals: no exponent, no grouping, no NaN."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=28, decimal_places=12, **options)

    def to_internal_value(self, data: Any) -> Decimal:
        """Return the number."""
        if plain_number(str(data)) is None:
            self.fail("invalid")
        return super().to_internal_value(data)


class WholeNumber(serializers.IntegerField):
    """A whole number in the digits 0 to 9; the library's own reads `1_0` and other scripts too."""

    def to_internal_value(self, data: Any) -> int:
        """Return the number."""
        if isinstance(data, bool) or not _WHOLE.fullmatch(str(data).strip()):
            self.fail("invalid")
        return super().to_internal_value(data)
