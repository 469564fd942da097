"""Accounts, orders and money for staff: to look at, and to stop."""

from portfolio.admin import accounts, money, orders, risk

__all__ = ["accounts", "money", "orders", "risk"]
