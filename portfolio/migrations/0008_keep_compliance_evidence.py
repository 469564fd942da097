"""Evidence is added to and never changed: by a trigger, and by the rights of the app role."""

from django.conf import settings
from django.db import migrations

TABLE = "portfolio_complianceevidence"
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


def grant_to_app_role(apps, schema_editor):
    """Let the app role add evidence and read it, nothing more."""
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
    """A trigger and rights."""

    dependencies = [("portfolio", "0007_add_compliance_and_credentials")]
    operations = [
        migrations.RunSQL(GUARD, UNGUARD),
        migrations.RunPython(grant_to_app_role, migrations.RunPython.noop),
    ]
