"""Public ids from a sequence; an audit log that cannot be changed; rights of the app role."""

from django.conf import settings
from django.db import migrations

_PUBLIC_ID = "CREATE SEQUENCE accounts_public_id AS bigint START 1 NO CYCLE"

_GUARD = """
CREATE FUNCTION accounts_refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'accounts_auditevent is append-only: % refused', TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER accounts_auditevent_no_change
    BEFORE UPDATE OR DELETE ON accounts_auditevent
    FOR EACH ROW EXECUTE FUNCTION accounts_refuse_audit_change();
CREATE TRIGGER accounts_auditevent_no_truncate
    BEFORE TRUNCATE ON accounts_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_refuse_audit_change();
"""
_UNGUARD = """
DROP TRIGGER accounts_auditevent_no_truncate ON accounts_auditevent;
DROP TRIGGER accounts_auditevent_no_change ON accounts_auditevent;
DROP FUNCTION accounts_refuse_audit_change();
"""


def _grant_to_app_role(apps, schema_editor):
    # The role is cluster-wide and made outside migrations; without it there is nobody to grant to.
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [settings.DATABASE_APP_ROLE])
        if cursor.fetchone() is None:
            return
        role = schema_editor.quote_name(settings.DATABASE_APP_ROLE)
        cursor.execute(f"GRANT USAGE ON SEQUENCE accounts_public_id TO {role}")
        cursor.execute(f"GRANT SELECT, INSERT ON accounts_auditevent TO {role}")
        cursor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON accounts_auditevent FROM {role}")


class Migration(migrations.Migration):

    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.RunSQL(_PUBLIC_ID, "DROP SEQUENCE accounts_public_id"),
        migrations.RunSQL(_GUARD, _UNGUARD),
        migrations.RunPython(_grant_to_app_role, migrations.RunPython.noop),
    ]
