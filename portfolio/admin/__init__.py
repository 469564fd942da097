"""Accounts, orders and money for staff: to look at, and to stop."""

from portfolio.admin import accounts, charges, credentials, money, orders, postbacks, risk, triggers

__all__ = ["accounts", "charges", "credentials", "money", "orders", "postbacks", "risk", "triggers"]
