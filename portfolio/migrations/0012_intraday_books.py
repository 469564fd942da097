"""The intraday book: short positions, what is borrowed and what secures them."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Columns and constraints; what spans two tables is guarded by triggers in the next one."""

    dependencies = [
        ("market", "0002_partition_candles"),
        ("portfolio", "0011_published_charge_rates"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="ledgeraccount",
            name="ledger_balance_not_below_0",
        ),
        migrations.RemoveConstraint(
            model_name="ledgeraccount",
            name="ledger_kind_fits_owner",
        ),
        migrations.AddField(
            model_name="order",
            name="margin_price",
            field=models.DecimalField(decimal_places=12, max_digits=28, null=True),
        ),
        migrations.AddField(
            model_name="position",
            name="opened_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name="book",
            name="kind",
            field=models.CharField(
                choices=[("MANUAL", "Manual"), ("INTRADAY", "Intraday"), ("BOT", "Bot")],
                max_length=8,
            ),
        ),
        migrations.AlterField(
            model_name="ledgeraccount",
            name="kind",
            field=models.CharField(
                choices=[
                    ("AVAILABLE", "Available"),
                    ("HELD", "Held"),
                    ("MARGIN", "Margin"),
                    ("BORROWED", "Borrowed"),
                    ("EXTERNAL", "External"),
                    ("CLEARING", "Clearing"),
                    ("FEES", "Fees"),
                    ("ROUNDING", "Rounding"),
                ],
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name="book",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "INTRADAY")),
                fields=("venue_account",),
                name="book_one_intraday_per_account",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgeraccount",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("balance__isnull", True), ("book__isnull", True)),
                    models.Q(("balance__gte", 0), ("book__isnull", False)),
                    models.Q(("book__isnull", False), ("kind", "BORROWED")),
                    _connector="OR",
                ),
                name="ledger_balance_not_below_0",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgeraccount",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "BORROWED"), _negated=True),
                    ("balance__lte", 0),
                    _connector="OR",
                ),
                name="ledger_borrowed_not_above_0",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgeraccount",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("book__isnull", True),
                        ("kind__in", ["EXTERNAL", "CLEARING", "FEES", "ROUNDING"]),
                    ),
                    models.Q(
                        ("book__isnull", False),
                        ("kind__in", ["AVAILABLE", "HELD", "MARGIN", "BORROWED"]),
                    ),
                    _connector="OR",
                ),
                name="ledger_kind_fits_owner",
            ),
        ),
        migrations.AddConstraint(
            model_name="position",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("quantity__gte", 0), ("cost__lte", 0), _connector="OR"),
                    models.Q(
                        models.Q(("quantity", 0), _negated=True), ("cost", 0), _connector="OR"
                    ),
                ),
                name="position_cost_of_its_side",
            ),
        ),
    ]
