"""Reads of fee schedules and charge rates: what an account is charged at a moment."""

from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from operator import attrgetter

from market.domain.enums import FeeMode
from portfolio.domain.account_fees import NO_FEES, AccountFees, FeeKind
from portfolio.domain.charges import ChargeTable, DatedRates, Rates, Segment
from portfolio.domain.fees import FeeRates
from portfolio.models import ChargeRates, FeeSchedule, VenueAccount

_values = attrgetter(*(each.name for each in fields(Rates)))


def charge_table() -> ChargeTable:
    """Return all charge rates; of rows of one moment the one added last counts."""
    rows = ChargeRates.objects.order_by("pk")
    return ChargeTable(
        tuple(
            DatedRates(row.exchange, Segment(row.segment), row.valid_from, Rates(*_values(row)))
            for row in rows
        )
    )


def fees_of(account: VenueAccount, *, at: datetime) -> AccountFees:
    """Return what an account is charged; one younger than its first schedule has that one."""
    schedule = newest_schedule(account.fee_schedules.all(), at=at)
    if schedule is None:
        return NO_FEES
    flat = FeeRates(schedule.maker_rate, schedule.taker_rate, FeeMode(account.fee_mode))
    is_itemised = schedule.kind == FeeKind.INDIAN_EQUITY
    return AccountFees(flat, charge_table() if is_itemised else None)


def newest_schedule(schedules: Iterable[FeeSchedule], *, at: datetime) -> FeeSchedule | None:
    """Return the schedule of a moment; before the first one, that."""
    ordered = sorted(schedules, key=attrgetter("valid_from"))
    past = [each for each in ordered if each.valid_from <= at]
    return past[-1] if past else next(iter(ordered), None)
