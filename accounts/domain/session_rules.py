"""How long a console session lasts (decisions 48), and what a session knows of itself."""

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

from accounts.domain.roles import SecondFactorRule

INDIA = ZoneInfo("Asia/Kolkata")
DAY_ROLL = time(6, 0)
IDLE = {
    SecondFactorRule.NEW_DEVICE: timedelta(hours=12),
    SecondFactorRule.EVERY_SESSION: timedelta(minutes=30),
}
_IDLE_WORDS = {
    SecondFactorRule.NEW_DEVICE: "12 hours",
    SecondFactorRule.EVERY_SESSION: "30 minutes",
}
LONGEST = timedelta(days=7)
ADMIN_IDLE = timedelta(minutes=15)
# Input is noted no oftener than this: a session is not written with every click.
TOUCH_EVERY = timedelta(seconds=60)


def next_day_roll(now: datetime) -> datetime:
    """Return the first 06:00 in India after `now`, in UTC."""
    local = now.astimezone(INDIA)
    roll = datetime.combine(local.date(), DAY_ROLL, tzinfo=INDIA)
    if roll <= local:
        roll += timedelta(days=1)
    return roll.astimezone(UTC)


def absolute_end(rule: SecondFactorRule, *, started_at: datetime) -> datetime:
    """Return when a session ends whatever its user does."""
    if rule is SecondFactorRule.EVERY_SESSION:
        return next_day_roll(started_at)
    return started_at + LONGEST


@dataclass(frozen=True, slots=True)
class SessionStamp:
    """What a session says of itself; kept in the session, projected into its row."""

    public_id: str
    started_at: datetime
    seen_at: datetime
    rule: SecondFactorRule
    address: str | None
    browser: str
    factor_at: datetime | None = None
    password_at: datetime | None = None
    device_id: int | None = None
    admin_seen_at: datetime | None = None

    def ends_at(self) -> datetime:
        """Return when the session ends if nobody touches it again."""
        return min(
            self.seen_at + IDLE[self.rule], absolute_end(self.rule, started_at=self.started_at)
        )

    def why_it_ends(self) -> str:
        """Return what to tell a user whose session has reached its end."""
        absolute = absolute_end(self.rule, started_at=self.started_at)
        if self.seen_at + IDLE[self.rule] < absolute:
            return f"You were logged out after {_IDLE_WORDS[self.rule]} without input."
        if self.rule is SecondFactorRule.EVERY_SESSION:
            return "You were logged out: sessions with live accounts end at 06:00 IST every day."
        return "You were logged out: a session lasts seven days at most."

    def follows(self, rule: SecondFactorRule) -> Self:
        """Return the stamp under another rule; a demand in every session ends a device's trust."""
        is_strict = rule is SecondFactorRule.EVERY_SESSION
        return replace(self, rule=rule, device_id=None if is_strict else self.device_id)

    def is_due(self, now: datetime) -> bool:
        """Say whether input at `now` is worth noting."""
        return now - self.seen_at >= TOUCH_EVERY

    def touched(self, now: datetime) -> Self:
        """Return the stamp after human input."""
        return replace(self, seen_at=now)

    def is_in_admin(self, now: datetime) -> bool:
        """Say whether the admin was entered and then used without a long break."""
        return self.admin_seen_at is not None and now - self.admin_seen_at <= ADMIN_IDLE

    def to_json(self) -> dict[str, Any]:
        """Return the stamp as the session keeps it."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Return the stamp that a session has kept."""
        times = {
            name: datetime.fromisoformat(value)
            for name, value in values.items()
            if name.endswith("_at") and value is not None
        }
        return cls(**{**values, **times, "rule": SecondFactorRule(values["rule"])})
