"""The published rates of Indian equity trades, and a guard that keeps rows as they are."""

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import migrations

TABLE = "portfolio_chargerates"
INDIA = ZoneInfo("Asia/Kolkata")

# Per crore (10,000,000) of value: (exchange, from, exchange charge, protection fund, source).
EXCHANGE_CHARGES = [
    ("BSE", (2022, 12, 1), "375", "0", "BSE: Rs. 375 a crore from 1 December 2022, groups A and B"),
    ("NSE", (2023, 4, 1), "325", "10", "NSE board of 23 March 2023, from 1 April 2023"),
    ("NSE", (2024, 10, 1), "297", "10", "NSE: Rs. 2.97 a lakh from 1 October 2024"),
    ("NSE", (2026, 3, 1), "306.99", "0.01", "NSE circular FA73061 of 27 February 2026"),
]
# Brokerage: zerodha.com/charges. STT: Finance Act, equities as before 2026. Stamp duty: Indian
# Stamp Act from 1 July 2020. SEBI: Rs. 10 a crore. GST: 18 %.
SEGMENTS = {
    "DELIVERY": {
        "brokerage": "0",
        "brokerage_cap": "0",
        "tax_buy": "0.001",
        "tax_sell": "0.001",
        "stamp_buy": "0.00015",
    },
    "INTRADAY": {
        "brokerage": "0.0003",
        "brokerage_cap": "20",
        "tax_buy": "0",
        "tax_sell": "0.00025",
        "stamp_buy": "0.00003",
    },
}
SOURCE = "{}; STT, stamp duty, SEBI, GST and brokerage as on zerodha.com/charges in 2026"
CRORE = Decimal(10_000_000)

GUARD = f"""
CREATE TRIGGER {TABLE}_no_change BEFORE UPDATE OR DELETE ON {TABLE}
    FOR EACH ROW EXECUTE FUNCTION portfolio_refuse_change();
CREATE TRIGGER {TABLE}_no_truncate BEFORE TRUNCATE ON {TABLE}
    FOR EACH STATEMENT EXECUTE FUNCTION portfolio_refuse_change();
"""
UNGUARD = f"""
DROP TRIGGER {TABLE}_no_truncate ON {TABLE};
DROP TRIGGER {TABLE}_no_change ON {TABLE};
"""


def add_rates(apps, schema_editor):
    """Add the rates that are published, oldest first."""
    rates = apps.get_model("portfolio", "ChargeRates")
    for exchange, day, charge, protection, source in EXCHANGE_CHARGES:
        for segment, values in SEGMENTS.items():
            rates.objects.create(
                exchange=exchange,
                segment=segment,
                valid_from=datetime(*day, tzinfo=INDIA),
                exchange_turnover=Decimal(charge) / CRORE,
                investor_protection=Decimal(protection) / CRORE,
                sebi=Decimal(10) / CRORE,
                gst=Decimal("0.18"),
                source=SOURCE.format(source),
                **{name: Decimal(value) for name, value in values.items()},
            )


def grant_to_app_role(apps, schema_editor):
    """Let the app role add rates and read them, nothing more."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [settings.DATABASE_APP_ROLE])
        if cursor.fetchone() is None:
            return
        cursor.execute("SELECT current_user = %s", [settings.DATABASE_APP_ROLE])
        if cursor.fetchone()[0]:
            return
        role = schema_editor.quote_name(settings.DATABASE_APP_ROLE)
        cursor.execute(f"REVOKE ALL ON {TABLE} FROM {role}")
        cursor.execute(f"GRANT SELECT, INSERT ON {TABLE} TO {role}")


class Migration(migrations.Migration):
    """Rows first, then a trigger and rights."""

    dependencies = [("portfolio", "0010_charge_rates")]
    operations = [
        migrations.RunPython(add_rates, migrations.RunPython.noop),
        migrations.RunSQL(GUARD, UNGUARD),
        migrations.RunPython(grant_to_app_role, migrations.RunPython.noop),
    ]
