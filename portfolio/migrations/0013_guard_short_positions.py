"""What is short, borrowed or ordered as MIS belongs to an intraday book, says the database."""

from django.db import migrations

_RULES = (
    ("position", "INSERT OR UPDATE OF quantity", "NEW.quantity < 0"),
    ("ledgeraccount", "INSERT OR UPDATE OF kind, book_id", "NEW.kind IN ('BORROWED', 'MARGIN')"),
    ("order", "INSERT OR UPDATE OF product, book_id", "NEW.product = 'MIS'"),
)

FUNCTION = """
CREATE FUNCTION portfolio_only_intraday() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM portfolio_book WHERE id = NEW.book_id AND kind = 'INTRADAY') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% % of book %: only an intraday book sells short',
        TG_TABLE_NAME, NEW.id, NEW.book_id USING ERRCODE = 'check_violation';
END
$$;
"""
TRIGGER = """
CREATE TRIGGER portfolio_{table}_intraday BEFORE {event} ON portfolio_{table}
    FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION portfolio_only_intraday();
"""
NO_TRIGGER = "DROP TRIGGER portfolio_{table}_intraday ON portfolio_{table}"


class Migration(migrations.Migration):
    """Triggers whose conditions are false for every other book: those pay nothing for them."""

    dependencies = [("portfolio", "0012_intraday_books")]
    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION portfolio_only_intraday()"),
        *[
            migrations.RunSQL(
                TRIGGER.format(table=table, event=event, condition=condition),
                NO_TRIGGER.format(table=table),
            )
            for table, event, condition in _RULES
        ],
    ]
