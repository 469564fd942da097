"""Users, what secures their accounts, and the audit log for staff."""

from accounts.admin import apps, audit, factors, sessions, users

__all__ = ["apps", "audit", "factors", "sessions", "users"]
