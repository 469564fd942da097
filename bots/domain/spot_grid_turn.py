"""One turn of a Spot Grid: the working copy of its state and what it asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from bots.domain.enums import BotStatus
from bots.domain.spot_grid_config import GridConfig, GridRules
from bots.domain.spot_grid_plan import levels_of
from bots.domain.spot_grid_state import GridState, LateOrder, LiveOrder, Rung
from bots.domain.strategy import CancelOrder, ChangeStatus, Intent, Note
from market.domain.enums import Side

# How many incompletely ended orders are remembered for trades that arrive late.
LATE_MEMORY = 64


@dataclass(slots=True)
class Turn:
    """What the rules of one event work on; `state` is a private copy."""

    config: GridConfig
    state: GridState
    time: datetime
    intents: list[Intent] = field(default_factory=list)

    @property
    def rules(self) -> GridRules:
        """Return the rules of instrument and account."""
        return self.config.rules

    @property
    def levels(self) -> tuple[Decimal, ...]:
        """Return the prices of the levels."""
        return levels_of(self.config)

    def note(self, kind: str, message: str, data: Mapping[str, str] | None = None) -> None:
        """Say something on the timeline."""
        self.intents.append(Note(kind=kind, message=message, data=data or {}))

    def change_status(self, status: BotStatus, *, code: str = "", message: str = "") -> None:
        """Move the bot in its life cycle, or renew the words on its card."""
        self.state.status = status
        self.intents.append(ChangeStatus(status=status, code=code, message=message))

    def cancel(self, ref: str) -> None:
        """Ask for the end of one of our orders."""
        self.intents.append(CancelOrder(slot_ref=ref))

    def cancel_orphan(self, ref: str) -> None:
        """Ask for the end of an order that rests without a record of ours."""
        self.intents.append(CancelOrder(slot_ref=ref, is_orphan=True))

    def remember(self, order: LiveOrder, *, side: Side, kind: str) -> None:
        """Keep the trades of an order that ended incomplete, should more of them turn up."""
        late = LateOrder(ref=order.ref, side=side, marks=order.marks, kind=kind)
        self.state.late = (*self.state.late, late)[-LATE_MEMORY:]

    def rung_of(self, ref: str) -> Rung | None:
        """Return the rung whose live order has this reference."""
        level = level_in(ref)
        rung = self.state.rungs.get(level) if level is not None else None
        if rung is not None and rung.order is not None and rung.order.ref == ref:
            return rung
        return None

    def live_orders(self) -> list[LiveOrder]:
        """Return every order of ours that has not ended."""
        orders = [rung.order for rung in self.state.rungs.values() if rung.order is not None]
        if self.state.deal is not None and self.state.deal.order is not None:
            orders.append(self.state.deal.order)
        return orders


def level_in(ref: str) -> int | None:
    """Return the level in a reference `{bot}-{level}-{B|S}-{sequence}`; None for deals."""
    parts = ref.split("-")
    return int(parts[-3]) if len(parts) >= 4 and parts[-3].isdecimal() else None


def letter(side: Side) -> str:
    """Return the side's letter in references."""
    return "B" if side is Side.BUY else "S"
