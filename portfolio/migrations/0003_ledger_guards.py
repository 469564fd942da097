"""What the database itself holds true: zero sums, append-only tables, ends that stay ends."""

from django.conf import settings
from django.db import migrations

APPEND_ONLY = [
    "portfolio_ledgertransaction",
    "portfolio_ledgerentry",
    "portfolio_orderevent",
    "portfolio_trade",
]

# Checked at commit. Only the newest entry of a transaction sums it up, so that a posting of n
# entries is summed once and not n times.
ZERO_SUM = """
CREATE FUNCTION portfolio_check_zero_sum() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE wrong record;
BEGIN
    IF EXISTS (SELECT 1 FROM portfolio_ledgerentry
                WHERE transaction_id = NEW.transaction_id AND id > NEW.id) THEN
        RETURN NULL;
    END IF;
    SELECT a.asset, sum(e.amount) AS total INTO wrong
      FROM portfolio_ledgerentry e JOIN portfolio_ledgeraccount a ON a.id = e.account_id
     WHERE e.transaction_id = NEW.transaction_id
     GROUP BY a.asset HAVING sum(e.amount) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger transaction % does not sum to zero: % %',
            NEW.transaction_id, wrong.total, wrong.asset USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER portfolio_ledger_zero_sum
    AFTER INSERT ON portfolio_ledgerentry DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION portfolio_check_zero_sum();
"""
NO_ZERO_SUM = """
DROP TRIGGER portfolio_ledger_zero_sum ON portfolio_ledgerentry;
DROP FUNCTION portfolio_check_zero_sum();
"""

REFUSE = """
CREATE FUNCTION portfolio_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;
"""
GUARD = """
CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION portfolio_refuse_change();
CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION portfolio_refuse_change();
"""
UNGUARD = """
DROP TRIGGER {table}_no_truncate ON {table};
DROP TRIGGER {table}_no_change ON {table};
"""

# The only way out of an end is a late accept: NOT_AT_VENUE, with its event ADOPTED.
TERMINAL = """
CREATE FUNCTION portfolio_keep_order_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status = 'NOT_AT_VENUE' AND NEW.status IN
       ('OPEN', 'TRIGGER_PENDING', 'CANCEL_PENDING', 'FILLED', 'CANCELLED', 'EXPIRED', 'REJECTED')
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'order % has ended as % and cannot become %', OLD.id, OLD.status, NEW.status
        USING ERRCODE = 'check_violation';
END
$$;
CREATE TRIGGER portfolio_order_end BEFORE UPDATE OF status ON portfolio_order
    FOR EACH ROW
    WHEN (OLD.status IN ('DENIED', 'FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED', 'NOT_AT_VENUE')
          AND NEW.status IS DISTINCT FROM OLD.status)
    EXECUTE FUNCTION portfolio_keep_order_end();
"""
NO_TERMINAL = """
DROP TRIGGER portfolio_order_end ON portfolio_order;
DROP FUNCTION portfolio_keep_order_end();
"""


def grant_to_app_role(apps, schema_editor):
    """Let the app role add to the append-only tables and read them, nothing more."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [settings.DATABASE_APP_ROLE])
        if cursor.fetchone() is None:
            return
        cursor.execute("SELECT current_user = %s", [settings.DATABASE_APP_ROLE])
        if cursor.fetchone()[0]:
            return
        role = schema_editor.quote_name(settings.DATABASE_APP_ROLE)
        for table in APPEND_ONLY:
            cursor.execute(f"REVOKE ALL ON {table} FROM {role}")
            cursor.execute(f"GRANT SELECT, INSERT ON {table} TO {role}")


class Migration(migrations.Migration):
    """Triggers and rights."""

    dependencies = [("portfolio", "0002_order_triggered_at_and_client_id_first")]
    operations = [
        migrations.RunSQL(ZERO_SUM, NO_ZERO_SUM),
        migrations.RunSQL(REFUSE, "DROP FUNCTION portfolio_refuse_change()"),
        *[
            migrations.RunSQL(GUARD.format(table=table), UNGUARD.format(table=table))
            for table in APPEND_ONLY
        ],
        migrations.RunSQL(TERMINAL, NO_TERMINAL),
        migrations.RunPython(grant_to_app_role, migrations.RunPython.noop),
    ]
