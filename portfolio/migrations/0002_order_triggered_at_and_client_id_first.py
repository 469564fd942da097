"""When a stop met its trigger; client order ids found without knowing the account."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Additive: one column, one constraint with its columns the other way round."""

    dependencies = [("portfolio", "0001_initial")]
    operations = [
        migrations.AddField("order", "triggered_at", models.DateTimeField(null=True)),
        migrations.RemoveConstraint("order", "order_client_id_unique"),
        migrations.AddConstraint(
            "order",
            models.UniqueConstraint(
                fields=["client_order_id", "venue_account"], name="order_client_id_unique"
            ),
        ),
    ]
