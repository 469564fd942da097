from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('bots', '0002_commands_and_price_runs'),
    ]

    operations = [
        migrations.AddField(
            model_name='bot',
            name='waiting_for',
            field=models.CharField(blank=True, max_length=120),
        ),
    ]
