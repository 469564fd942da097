"""When an instrument trades and when its day ends; the source decides (decisions 20, 27)."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone

from market.domain.enums import Calendar, SourceKind

IST = timezone(timedelta(hours=5, minutes=30))
DAY_ROLL = time(6, 0)
# DAY orders expire and MIS positions are squared off this long before the day rolls.
EXPIRY_LEAD = timedelta(minutes=5)
NSE_OPEN = time(9, 15)
NSE_CLOSE = time(15, 30)
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Session:
    """One trading session, from `opens_at` up to but not including `closes_at`."""

    opens_at: datetime
    closes_at: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.opens_at <= moment < self.closes_at


def _at(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, tzinfo=IST)


def follows_exchange(calendar: Calendar, source: SourceKind) -> bool:
    """Say whether the exchange's own hours apply: only to live prices of an exchange."""
    return source is SourceKind.LIVE and calendar is Calendar.NSE


def trading_day(calendar: Calendar, source: SourceKind, moment: datetime) -> date:
    """Return the day a moment counts for."""
    local = moment.astimezone(IST)
    if follows_exchange(calendar, source) or local.time() >= DAY_ROLL:
        return local.date()
    return local.date() - timedelta(days=1)


def session_bounds(calendar: Calendar, source: SourceKind, moment: datetime) -> Session | None:
    """Return the session of a moment's trading day; None where the exchange rests that day.

    A simulated market and a crypto market never close, a replay is open while it plays: their
    session is the whole day from one roll to the next.
    """
    day = trading_day(calendar, source, moment)
    if not follows_exchange(calendar, source):
        return Session(_at(day, DAY_ROLL), _at(day + timedelta(days=1), DAY_ROLL))
    return exchange_session(calendar, day)


def exchange_session(calendar: Calendar, day: date) -> Session | None:
    """Return the hours of the real exchange on a day, whatever the source."""
    if calendar is Calendar.ALWAYS:
        return Session(_at(day, time.min), _at(day + timedelta(days=1), time.min))
    if day.weekday() >= _SATURDAY:
        return None
    return Session(_at(day, NSE_OPEN), _at(day, NSE_CLOSE))


def is_exchange_open(calendar: Calendar, moment: datetime) -> bool:
    """Say whether the real exchange trades at a moment; cleaning of recordings asks this."""
    if calendar is Calendar.ALWAYS:
        return True
    session = exchange_session(calendar, moment.astimezone(IST).date())
    return session is not None and moment in session


def is_open(calendar: Calendar, source: SourceKind, moment: datetime) -> bool:
    """Say whether orders can trade at a moment."""
    session = session_bounds(calendar, source, moment)
    return session is not None and moment in session


def day_start(moment: datetime) -> datetime:
    """Return the last day roll up to a moment: what the API calls today began then."""
    return _at(trading_day(Calendar.ALWAYS, SourceKind.SIMULATED, moment), DAY_ROLL)


def day_roll(calendar: Calendar, source: SourceKind, moment: datetime) -> datetime:
    """Return the first day roll after a moment: positions settle, day figures start again."""
    day = trading_day(calendar, source, moment) + timedelta(days=1)
    return _at(day, time.min if follows_exchange(calendar, source) else DAY_ROLL)


def square_off_at(calendar: Calendar, source: SourceKind, moment: datetime) -> datetime:
    """Return when an intraday position (MIS) that is open at a moment has to be closed."""
    if not follows_exchange(calendar, source):
        return day_roll(calendar, source, moment) - EXPIRY_LEAD
    day = moment.astimezone(IST).date()
    while True:
        session = exchange_session(calendar, day)
        if session is not None and moment < session.closes_at:
            return session.closes_at - EXPIRY_LEAD
        day += timedelta(days=1)


def day_expiry(calendar: Calendar, source: SourceKind, moment: datetime) -> datetime:
    """Return the first moment after `moment` at which DAY orders expire."""
    if not follows_exchange(calendar, source):
        expiry = day_roll(calendar, source, moment) - EXPIRY_LEAD
        return expiry if moment < expiry else expiry + timedelta(days=1)
    day = moment.astimezone(IST).date()
    while True:
        session = exchange_session(calendar, day)
        if session is not None and moment < session.closes_at:
            return session.closes_at
        day += timedelta(days=1)


def next_opening(calendar: Calendar, source: SourceKind, moment: datetime) -> datetime:
    """Return when after `moment` a session opens; what never closes opens with its day."""
    if not follows_exchange(calendar, source):
        return day_roll(calendar, source, moment)
    day = moment.astimezone(IST).date()
    while True:
        session = exchange_session(calendar, day)
        if session is not None and moment < session.opens_at:
            return session.opens_at
        day += timedelta(days=1)
