"""Models of the portfolio app."""

from portfolio.models.alerts import Alert, AlertEvent
from portfolio.models.books import Book
from portfolio.models.charges import ChargeRates
from portfolio.models.conversions import PositionConversion
from portfolio.models.credentials import ComplianceEvidence, VenueCredentials
from portfolio.models.gtt import GttLeg, GttTrigger
from portfolio.models.ledger import LedgerAccount, LedgerEntry, LedgerTransaction
from portfolio.models.order_plans import OrderPlan
from portfolio.models.orders import IdempotencyKey, Order, OrderEvent, VenueEvent
from portfolio.models.postbacks import Postback
from portfolio.models.risk import KillSwitch, RateSecond, RiskLimit
from portfolio.models.trades import Position, Trade
from portfolio.models.venue_accounts import FeeSchedule, GatewayShard, VenueAccount

__all__ = [
    "Alert",
    "AlertEvent",
    "Book",
    "ChargeRates",
    "ComplianceEvidence",
    "FeeSchedule",
    "GatewayShard",
    "GttLeg",
    "GttTrigger",
    "IdempotencyKey",
    "KillSwitch",
    "LedgerAccount",
    "LedgerEntry",
    "LedgerTransaction",
    "Order",
    "OrderEvent",
    "OrderPlan",
    "Position",
    "PositionConversion",
    "Postback",
    "RateSecond",
    "RiskLimit",
    "Trade",
    "VenueAccount",
    "VenueCredentials",
    "VenueEvent",
]
