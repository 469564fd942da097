"""Second factors, sessions, devices, API apps, delegations and guesses; roles of users."""

import accounts.domain.roles
import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


# Whoever ran the platform before there were roles goes on doing so.
_ROLES = """
    UPDATE accounts_user SET role = 'ADMINISTRATOR', is_staff = true WHERE is_superuser;
    UPDATE accounts_user SET role = 'SUPPORT' WHERE is_staff AND NOT is_superuser;
"""
# Sessions live in our own table now, seeds are sealed in our own; nobody had enrolled one before.
_LEFT_TABLES = "DROP TABLE IF EXISTS django_session; DROP TABLE IF EXISTS otp_totp_totpdevice;"


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0003_audit_chain_cannot_fork'),
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.CreateModel(
            name='ApiApp',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=60)),
                ('api_key', models.CharField(max_length=16, unique=True)),
                ('sealed_secret', models.TextField()),
                ('secret_made_at', models.DateTimeField()),
                ('redirect_url', models.CharField(max_length=500)),
                ('postback_url', models.CharField(blank=True, max_length=500)),
                ('allowed_addresses', django.contrib.postgres.fields.ArrayField(base_field=models.GenericIPAddressField(), blank=True, default=list, size=2)),
                ('addresses_changed_at', models.DateTimeField(null=True)),
                ('products', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=8), default=list, size=None)),
                ('created_at', models.DateTimeField()),
                ('revoked_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='ApiSession',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('access_digest', models.CharField(max_length=64, unique=True)),
                ('refresh_digest', models.CharField(max_length=64, null=True, unique=True)),
                ('refresh_until', models.DateTimeField(null=True)),
                ('started_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('seen_at', models.DateTimeField(null=True)),
                ('address', models.GenericIPAddressField(null=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('ended_for', models.CharField(blank=True, max_length=60)),
            ],
        ),
        migrations.CreateModel(
            name='AuthenticatorApp',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text='The human-readable name of this device.', max_length=64)),
                ('confirmed', models.BooleanField(default=True, help_text='Is this device ready for use?')),
                ('sealed_seed', models.TextField()),
                ('last_step', models.BigIntegerField(default=-1)),
                ('drift', models.SmallIntegerField(default=0)),
                ('created_at', models.DateTimeField(null=True)),
                ('last_used_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='ConsoleSession',
            fields=[
                ('session_key', models.CharField(max_length=40, primary_key=True, serialize=False, verbose_name='session key')),
                ('session_data', models.TextField(verbose_name='session data')),
                ('expire_date', models.DateTimeField(db_index=True, verbose_name='expire date')),
                ('public_id', models.UUIDField(db_index=True, null=True)),
                ('browser', models.CharField(blank=True, max_length=60)),
                ('address', models.GenericIPAddressField(null=True)),
                ('started_at', models.DateTimeField(null=True)),
                ('seen_at', models.DateTimeField(null=True)),
                ('factor_at', models.DateTimeField(null=True)),
            ],
            options={
                'verbose_name': 'session',
                'verbose_name_plural': 'sessions',
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Delegation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('invited', models.CharField(help_text='e-mail or public id, as the owner typed', max_length=254)),
                ('given_at', models.DateTimeField()),
                ('accepted_at', models.DateTimeField(null=True)),
                ('ends_at', models.DateTimeField(null=True)),
                ('revoked_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='DeviceToken',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('issued_at', models.DateTimeField()),
                ('replaced_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='FactorGuesses',
            fields=[
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='factor_guesses', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('failures', models.PositiveIntegerField(default=0)),
                ('failed_at', models.DateTimeField(null=True)),
            ],
            options={
                'verbose_name_plural': 'factor guesses',
            },
        ),
        migrations.CreateModel(
            name='GuessBucket',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=120, unique=True)),
                ('empty_at', models.DateTimeField(db_index=True)),
                ('blocked_until', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='LogInPlace',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('browser', models.CharField(max_length=60)),
                ('network', models.CharField(max_length=43)),
                ('first_seen_at', models.DateTimeField()),
                ('seen_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='RecoveryCode',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slot', models.PositiveSmallIntegerField()),
                ('code_hash', models.CharField(max_length=128)),
                ('made_at', models.DateTimeField()),
                ('used_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='RequestToken',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('session_id', models.UUIDField()),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('issued_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('used_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='TrustedAddress',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('network', models.CharField(help_text='like 203.0.113.7/32 or 2001:db8::/64', max_length=43)),
                ('name', models.CharField(blank=True, max_length=60)),
                ('trusted_at', models.DateTimeField()),
                ('seen_at', models.DateTimeField()),
                ('revoked_at', models.DateTimeField(null=True)),
            ],
            options={
                'verbose_name_plural': 'trusted addresses',
            },
        ),
        migrations.CreateModel(
            name='TrustedDevice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('browser', models.CharField(max_length=60)),
                ('name', models.CharField(blank=True, max_length=60)),
                ('trusted_at', models.DateTimeField()),
                ('seen_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('revoked_at', models.DateTimeField(null=True)),
                ('revoked_for', models.CharField(blank=True, max_length=60)),
            ],
        ),
        migrations.AddField(
            model_name='user',
            name='live_hold_until',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='user',
            name='role',
            field=models.CharField(choices=[(accounts.domain.roles.Role['USER'], accounts.domain.roles.Role['USER']), (accounts.domain.roles.Role['SUPPORT'], accounts.domain.roles.Role['SUPPORT']), (accounts.domain.roles.Role['RISK_OFFICER'], accounts.domain.roles.Role['RISK_OFFICER']), (accounts.domain.roles.Role['ADMINISTRATOR'], accounts.domain.roles.Role['ADMINISTRATOR'])], default=accounts.domain.roles.Role['USER'], max_length=16),
        ),
        migrations.AddField(
            model_name='user',
            name='second_factor_rule',
            field=models.CharField(choices=[(accounts.domain.roles.SecondFactorRule['NEW_DEVICE'], accounts.domain.roles.SecondFactorRule['NEW_DEVICE']), (accounts.domain.roles.SecondFactorRule['EVERY_SESSION'], accounts.domain.roles.SecondFactorRule['EVERY_SESSION'])], default=accounts.domain.roles.SecondFactorRule['NEW_DEVICE'], max_length=16),
        ),
        migrations.AlterField(
            model_name='user',
            name='is_superuser',
            field=models.BooleanField(default=False),
        ),
        migrations.RunSQL(_ROLES, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('is_staff', False), ('role', accounts.domain.roles.Role['USER'])), models.Q(models.Q(('role', accounts.domain.roles.Role['USER']), _negated=True), ('is_staff', True)), _connector='OR'), name='user_staff_by_role'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('is_superuser', True), ('role', accounts.domain.roles.Role['ADMINISTRATOR'])), models.Q(models.Q(('role', accounts.domain.roles.Role['ADMINISTRATOR']), _negated=True), ('is_superuser', False)), _connector='OR'), name='user_superuser_by_role'),
        ),
        migrations.AddField(
            model_name='apiapp',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='api_apps', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='apisession',
            name='app',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='sessions', to='accounts.apiapp'),
        ),
        migrations.AddField(
            model_name='apisession',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='api_sessions', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='authenticatorapp',
            name='user',
            field=models.ForeignKey(help_text='The user that this device belongs to.', on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='consolesession',
            name='user',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='console_sessions', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='delegation',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='delegations_given', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='delegation',
            name='viewer',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='delegations_held', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='loginplace',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='places', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='recoverycode',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='recovery_codes', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='requesttoken',
            name='app',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='request_tokens', to='accounts.apiapp'),
        ),
        migrations.AddField(
            model_name='requesttoken',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='request_tokens', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='trustedaddress',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='trusted_addresses', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='trusteddevice',
            name='address',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='devices', to='accounts.trustedaddress'),
        ),
        migrations.AddField(
            model_name='trusteddevice',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='trusted_devices', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='devicetoken',
            name='device',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='tokens', to='accounts.trusteddevice'),
        ),
        migrations.AddField(
            model_name='consolesession',
            name='device',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='console_sessions', to='accounts.trusteddevice'),
        ),
        migrations.AddConstraint(
            model_name='apiapp',
            constraint=models.UniqueConstraint(condition=models.Q(('revoked_at', None)), fields=('user', 'name'), name='api_app_name_unique'),
        ),
        migrations.AddConstraint(
            model_name='apiapp',
            constraint=models.CheckConstraint(condition=models.Q(('allowed_addresses__len__lte', 2)), name='api_app_two_addresses'),
        ),
        migrations.AddConstraint(
            model_name='apisession',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('app', 'user'), name='api_session_one_live'),
        ),
        migrations.AddConstraint(
            model_name='authenticatorapp',
            constraint=models.UniqueConstraint(condition=models.Q(('confirmed', True)), fields=('user',), name='one_authenticator_app'),
        ),
        migrations.AddConstraint(
            model_name='delegation',
            constraint=models.UniqueConstraint(condition=models.Q(('revoked_at', None)), fields=('user', 'invited'), name='delegation_unique'),
        ),
        migrations.AddConstraint(
            model_name='delegation',
            constraint=models.CheckConstraint(condition=models.Q(('viewer', None), models.Q(('user', models.F('viewer')), _negated=True), _connector='OR'), name='delegation_to_another'),
        ),
        migrations.AddConstraint(
            model_name='delegation',
            constraint=models.CheckConstraint(condition=models.Q(('accepted_at', None), ('viewer__isnull', False), _connector='OR'), name='delegation_accepted_by_somebody'),
        ),
        migrations.AddConstraint(
            model_name='loginplace',
            constraint=models.UniqueConstraint(fields=('user', 'browser', 'network'), name='log_in_place_unique'),
        ),
        migrations.AddConstraint(
            model_name='recoverycode',
            constraint=models.UniqueConstraint(fields=('user', 'slot'), name='recovery_code_slot_unique'),
        ),
        migrations.AddConstraint(
            model_name='trustedaddress',
            constraint=models.UniqueConstraint(condition=models.Q(('revoked_at', None)), fields=('user', 'network'), name='trusted_address_unique'),
        ),
        migrations.AddConstraint(
            model_name='devicetoken',
            constraint=models.UniqueConstraint(condition=models.Q(('replaced_at', None)), fields=('device',), name='device_token_one_current'),
        ),
        migrations.RunSQL(_LEFT_TABLES, migrations.RunSQL.noop),
    ]
