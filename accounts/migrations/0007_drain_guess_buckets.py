from datetime import UTC, datetime

from django.db import migrations, models

_PAST = datetime(2026, 1, 1, tzinfo=UTC)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_count_wrong_codes_per_user"),
    ]

    operations = [
        migrations.RemoveField(model_name="guessbucket", name="failed_at"),
        migrations.RemoveField(model_name="guessbucket", name="failures"),
        migrations.AddField(
            model_name="guessbucket",
            name="empty_at",
            field=models.DateTimeField(db_index=True, default=_PAST),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name="guessbucket",
            name="blocked_until",
            field=models.DateTimeField(default=_PAST),
            preserve_default=False,
        ),
    ]
