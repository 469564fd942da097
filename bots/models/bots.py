"""Bots: rows that sleep until the market wakes them."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models.managers import OwnedQuerySet
from bots.domain.enums import AWAKE_STATUSES, BotStatus
from bots.domain.strategy import CommandKind
from market.models import Instrument
from portfolio.models import Book, VenueAccount

# The states in which a change of the price source matters.
LISTENING_STATUSES = frozenset({BotStatus.RUNNING, BotStatus.WAITING_TRIGGER})


class Bot(models.Model):
    """One bot of one user: what it is to do (`config`) and where it stands (`state`).

    A bot is stepped when a price leaves one of its bands, when its book has news, or when
    `next_due_at` has come. `wake_mark` is the durable note of a wake-up that has not been
    stepped yet. All decimals inside `config`, `derived` and `state` are texts.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="bots")
    venue_account = models.ForeignKey(VenueAccount, models.PROTECT, related_name="bots")
    # Opened when the bot starts: a draft holds no money.
    book = models.OneToOneField(Book, models.PROTECT, related_name="bot", null=True)
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="bots")
    kind = models.CharField(max_length=24)
    name = models.CharField(max_length=40)
    config = models.JSONField()
    derived = models.JSONField(default=dict)
    state = models.JSONField(default=dict)
    status = models.CharField(max_length=20, choices=[(s, s) for s in BotStatus])
    # Why it is where it is, in words for the card: "waiting for 265.00", "out of range (above)".
    status_code = models.CharField(max_length=40, blank=True)
    status_message = models.CharField(max_length=300, blank=True)
    # Why the step that it needs cannot be taken yet, in words; empty while nothing is in the way.
    waiting_for = models.CharField(max_length=120, blank=True)
    stop_mode = models.CharField(max_length=16, default="sell_all")
    step_no = models.BigIntegerField(default=0)
    tick_seq = models.BigIntegerField(default=0)
    price_run = models.CharField(max_length=80, blank=True)
    next_due_at = models.DateTimeField(null=True)
    wake_mark = models.DateTimeField(null=True)
    fail_count = models.PositiveSmallIntegerField(default=0)
    # Where it stood when its steps failed three times; empty while it can be stepped.
    failed_from = models.CharField(max_length=20, blank=True, choices=[(s, s) for s in BotStatus])
    investment = models.DecimalField(max_digits=28, decimal_places=12, default=0)
    withdrawn = models.DecimalField(max_digits=28, decimal_places=12, default=0)
    # Figures of the last step, for lists; the detail page computes them at the newest price.
    grid_profit = models.DecimalField(max_digits=28, decimal_places=12, default=0)
    pair_count = models.PositiveIntegerField(default=0)
    final_figures = models.JSONField(null=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    stopped_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField()

    objects = OwnedQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["next_due_at"],
                condition=Q(status__in=sorted(AWAKE_STATUSES), next_due_at__isnull=False),
                name="bot_due",
            ),
            models.Index(
                fields=["wake_mark"], condition=Q(wake_mark__isnull=False), name="bot_woken"
            ),
            models.Index(fields=["user", "-id"], name="bot_user_newest"),
            # Finds the bots whose prices come from somewhere else than where they started.
            models.Index(
                fields=["instrument", "price_run"],
                condition=Q(status__in=sorted(LISTENING_STATUSES)),
                name="bot_price_run",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.status}"


class BotBand(models.Model):
    """The prices of one instrument between which a bot has nothing to do.

    `is_armed` is false for bots that do not listen to prices now, so that the two partial
    indexes of the wake-up question hold armed bands only (architecture.md section 5).
    """

    bot = models.ForeignKey(Bot, models.CASCADE, related_name="bands")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    wake_below = models.DecimalField(max_digits=28, decimal_places=12, null=True)
    wake_above = models.DecimalField(max_digits=28, decimal_places=12, null=True)
    is_armed = models.BooleanField(default=True)

    owner_path = "bot__user"
    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["bot", "instrument"], name="bot_band_once"),
        ]
        indexes = [
            models.Index(
                fields=["instrument", "wake_below"],
                condition=Q(is_armed=True, wake_below__isnull=False),
                name="bot_band_below",
                include=["bot"],
            ),
            models.Index(
                fields=["instrument", "wake_above"],
                condition=Q(is_armed=True, wake_above__isnull=False),
                name="bot_band_above",
                include=["bot"],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.bot_id} {self.wake_below}..{self.wake_above}"


class BotEvent(models.Model):
    """One line of a bot's timeline: what it decided and why, in words. Append-only."""

    bot = models.ForeignKey(Bot, models.CASCADE, related_name="events")
    step_no = models.BigIntegerField()
    kind = models.CharField(max_length=32)
    message = models.CharField(max_length=300)
    data = models.JSONField(default=dict)
    # Market time of the decision and wall time of the record (decisions 19).
    market_time = models.DateTimeField(null=True)
    at = models.DateTimeField()

    owner_path = "bot__user"
    objects = OwnedQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["bot", "-id"], name="bot_event_newest")]

    def __str__(self) -> str:
        return self.message


class BotCommand(models.Model):
    """An act of a person that the bot's next step carries out; stored, so that none is lost.

    One of a kind waits at a time: a double click finds the first one.
    """

    bot = models.ForeignKey(Bot, models.CASCADE, related_name="commands")
    kind = models.CharField(max_length=24, choices=[(k, k) for k in CommandKind])
    amount = models.DecimalField(max_digits=28, decimal_places=12, null=True)
    stop_mode = models.CharField(max_length=16, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    handled_at = models.DateTimeField(null=True)
    # Why it was not carried out, in words for the card; empty when it was.
    refusal = models.CharField(max_length=300, blank=True)

    owner_path = "bot__user"
    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["bot", "kind"],
                condition=Q(handled_at__isnull=True),
                name="bot_command_one_waits",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.bot_id} {self.kind}"
