"""How numbers and times are written for people; pure, the same words on every page.

Rounding happens here and only here (bots.md 1.1, Display): half up, never fed back.
"""

from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

INDIAN_ASSETS = frozenset({"INR"})
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_JUST_NOW = 5


def decimals_of(step: Decimal) -> int:
    """Return how many decimals a price or quantity step needs: 0.05 needs 2."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def plain(value: Decimal) -> str:
    """Return a number without grouping, exponent or trailing zeros, as forms and files want it."""
    text = format(value.normalize(), "f")
    return "0" if text in {"-0", "0"} else text


def group_digits(digits: str, *, indian: bool) -> str:
    """Group whole digits by three, or the Indian way: 1,23,456."""
    if len(digits) <= 3:
        return digits
    head, tail = digits[:-3], digits[-3:]
    size = 2 if indian else 3
    first = len(head) % size
    parts = [head[:first]] if first else []
    parts += [head[start : start + size] for start in range(first, len(head), size)]
    return ",".join([*parts, tail])


def format_number(value: Decimal, *, decimals: int, indian: bool = False) -> str:
    """Return a grouped number with a fixed number of decimals; zero has no sign."""
    rounded = value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
    whole, _, fraction = format(abs(rounded), "f").partition(".")
    sign = "-" if rounded < 0 else ""
    grouped = group_digits(whole, indian=indian)
    return f"{sign}{grouped}.{fraction}" if fraction else f"{sign}{grouped}"


def format_price(price: Decimal, *, tick: Decimal, asset: str) -> str:
    """Return a price with the decimals of its tick, grouped as its quote asset is."""
    return format_number(price, decimals=decimals_of(tick), indian=asset in INDIAN_ASSETS)


def format_quantity(quantity: Decimal, *, lot: Decimal) -> str:
    """Return a quantity with the decimals of its lot; units below a lot (dust) stay visible."""
    if quantity % lot != 0:
        return format_number(quantity, decimals=max(decimals_of(lot), 8)).rstrip("0")
    return format_number(quantity, decimals=decimals_of(lot))


def format_money(value: Decimal, *, asset: str, signed: bool = False) -> str:
    """Return an amount: Rs. 1,23,456.78, or 1,234.56 USDT; `signed` writes a plus as well."""
    text = format_number(abs(value), decimals=2, indian=asset in INDIAN_ASSETS)
    is_zero = not text.strip("0.,")
    sign = "" if is_zero else "-" if value < 0 else "+" if signed else ""
    return f"{sign}Rs. {text}" if asset in INDIAN_ASSETS else f"{sign}{text} {asset}"


def format_lack(needed: Decimal, available: Decimal, *, asset: str) -> str:
    """Say how much money is needed and how much there is, never the same for different sums."""
    step = Decimal("0.01")
    most = format_money(needed.quantize(step, rounding=ROUND_CEILING), asset=asset)
    least = format_money(available.quantize(step, rounding=ROUND_FLOOR), asset=asset)
    return f"{most} needed, {least} available"


def format_percent(fraction: Decimal, *, signed: bool = False) -> str:
    """Return a fraction as percent with two decimals: 0.0192 is 1.92 %."""
    text = format_number(fraction * 100, decimals=2)
    is_plus = signed and not text.startswith("-") and text.strip("0.,")
    return f"{'+' if is_plus else ''}{text} %"


def direction(value: Decimal) -> str:
    """Return up, down or flat: the word behind the colour and the arrow."""
    return "up" if value > 0 else "down" if value < 0 else "flat"


def format_ago(age: timedelta) -> str:
    """Return how long ago something was, in one unit."""
    seconds = int(age.total_seconds())
    if seconds < _JUST_NOW:
        return "just now"
    if seconds < _MINUTE:
        return f"{seconds} s ago"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min ago"
    if seconds < _DAY:
        return f"{seconds // _HOUR} h ago"
    return f"{seconds // _DAY} d ago"


def format_span(span: timedelta) -> str:
    """Return a running time in its two largest units: 2 d 5 h."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    if seconds < _DAY:
        return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE} min"
    return f"{seconds // _DAY} d {seconds % _DAY // _HOUR} h"


def format_moment(moment: datetime, *, zone: str) -> str:
    """Return date and time with seconds in the user's zone."""
    return f"{moment.astimezone(ZoneInfo(zone)):%d %b %Y, %H:%M:%S}"


def format_clock(moment: datetime, *, zone: str, now: datetime) -> str:
    """Return the time with seconds, with the day where it is not today's."""
    local, today = moment.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone)).date()
    return f"{local:%H:%M:%S}" if local.date() == today else f"{local:%d %b, %H:%M:%S}"
