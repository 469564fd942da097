"""Rows that must be there before anybody needs them: an absent row cannot be locked."""

from django.db import migrations


def make_rows(apps, schema_editor):
    """Make the platform's kill switch and the first gateway shard."""
    apps.get_model("portfolio", "KillSwitch").objects.get_or_create(scope="PLATFORM", key=0)
    apps.get_model("portfolio", "GatewayShard").objects.get_or_create(number=0)


class Migration(migrations.Migration):
    """Data only."""

    dependencies = [("portfolio", "0003_ledger_guards")]
    operations = [migrations.RunPython(make_rows, migrations.RunPython.noop)]
