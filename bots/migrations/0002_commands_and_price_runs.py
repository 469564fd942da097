import bots.domain.enums
import bots.domain.strategy
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('bots', '0001_initial'),
        ('market', '0002_partition_candles'),
        ('portfolio', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # Two steps instead of a default: there is no account to give to a bot that has none.
        migrations.AddField(
            model_name='bot',
            name='venue_account',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='bots', to='portfolio.venueaccount'),
        ),
        migrations.AlterField(
            model_name='bot',
            name='venue_account',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='bots', to='portfolio.venueaccount'),
        ),
        migrations.CreateModel(
            name='BotCommand',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[(bots.domain.strategy.CommandKind['PAUSE'], bots.domain.strategy.CommandKind['PAUSE']), (bots.domain.strategy.CommandKind['RESUME'], bots.domain.strategy.CommandKind['RESUME']), (bots.domain.strategy.CommandKind['STOP'], bots.domain.strategy.CommandKind['STOP']), (bots.domain.strategy.CommandKind['RETRY'], bots.domain.strategy.CommandKind['RETRY']), (bots.domain.strategy.CommandKind['ADD_INVESTMENT'], bots.domain.strategy.CommandKind['ADD_INVESTMENT']), (bots.domain.strategy.CommandKind['WITHDRAW_PROFIT'], bots.domain.strategy.CommandKind['WITHDRAW_PROFIT'])], max_length=24)),
                ('amount', models.DecimalField(decimal_places=12, max_digits=28, null=True)),
                ('stop_mode', models.CharField(blank=True, max_length=16)),
                ('reason', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField()),
                ('handled_at', models.DateTimeField(null=True)),
                ('refusal', models.CharField(blank=True, max_length=300)),
            ],
        ),
        migrations.AddField(
            model_name='bot',
            name='failed_from',
            field=models.CharField(blank=True, choices=[(bots.domain.enums.BotStatus['DRAFT'], bots.domain.enums.BotStatus['DRAFT']), (bots.domain.enums.BotStatus['VALIDATED'], bots.domain.enums.BotStatus['VALIDATED']), (bots.domain.enums.BotStatus['PENDING_APPROVAL'], bots.domain.enums.BotStatus['PENDING_APPROVAL']), (bots.domain.enums.BotStatus['STARTING'], bots.domain.enums.BotStatus['STARTING']), (bots.domain.enums.BotStatus['WAITING_TRIGGER'], bots.domain.enums.BotStatus['WAITING_TRIGGER']), (bots.domain.enums.BotStatus['RUNNING'], bots.domain.enums.BotStatus['RUNNING']), (bots.domain.enums.BotStatus['PAUSED'], bots.domain.enums.BotStatus['PAUSED']), (bots.domain.enums.BotStatus['STOPPING'], bots.domain.enums.BotStatus['STOPPING']), (bots.domain.enums.BotStatus['STOPPED'], bots.domain.enums.BotStatus['STOPPED']), (bots.domain.enums.BotStatus['LIQUIDATED'], bots.domain.enums.BotStatus['LIQUIDATED']), (bots.domain.enums.BotStatus['ERROR'], bots.domain.enums.BotStatus['ERROR'])], max_length=20),
        ),
        migrations.AddIndex(
            model_name='bot',
            index=models.Index(condition=models.Q(('status__in', [bots.domain.enums.BotStatus['RUNNING'], bots.domain.enums.BotStatus['WAITING_TRIGGER']])), fields=['instrument', 'price_run'], name='bot_price_run'),
        ),
        migrations.AddField(
            model_name='botcommand',
            name='bot',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='commands', to='bots.bot'),
        ),
        migrations.AddConstraint(
            model_name='botcommand',
            constraint=models.UniqueConstraint(condition=models.Q(('handled_at__isnull', True)), fields=('bot', 'kind'), name='bot_command_one_waits'),
        ),
    ]
