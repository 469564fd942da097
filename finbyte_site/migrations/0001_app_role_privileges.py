"""What the app role may do with tables that the owner makes from here on (decisions 42).

Runs before every other migration. Apps take rights away again where rows never change.
"""

from django.conf import settings
from django.db import migrations

GRANT = """
    DO $$ BEGIN
        IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{role}')
           AND current_user <> '{role}' THEN
            ALTER DEFAULT PRIVILEGES IN SCHEMA public
                GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {quoted};
            ALTER DEFAULT PRIVILEGES IN SCHEMA public
                GRANT USAGE, SELECT ON SEQUENCES TO {quoted};
            GRANT SELECT ON ALL TABLES IN SCHEMA public TO {quoted};
        END IF;
    END $$
"""


def grant(apps, schema_editor):
    """Give the rights when the role exists; a copy without it runs as the owner."""
    role = settings.DATABASE_APP_ROLE
    quoted = schema_editor.quote_name(role)
    schema_editor.execute(GRANT.format(role=role.replace("'", "''"), quoted=quoted))


class Migration(migrations.Migration):
    """Default privileges of the app role."""

    initial = True
    run_before = [
        ("contenttypes", "0001_initial"),
        ("auth", "0001_initial"),
        ("axes", "0001_initial"),
        ("django_otp_webauthn", "0001_initial"),
        ("accounts", "0001_initial"),
        ("market", "0001_initial"),
        ("portfolio", "0001_initial"),
        ("bots", "0001_initial"),
    ]
    dependencies = []
    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
