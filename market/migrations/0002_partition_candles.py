"""The candle table, partitioned by month, and the function that adds months (decisions 41).

The function runs with its owner's rights, so that the role of the running application, which may
not change the schema, can still add the month it is about to write.
"""

from django.db import migrations

FORWARD = """
CREATE TABLE market_candle (
    instrument_id bigint NOT NULL,
    source varchar(80) NOT NULL,
    interval varchar(12) NOT NULL,
    time timestamptz NOT NULL,
    open numeric(28, 12) NOT NULL CHECK (open > 0),
    high numeric(28, 12) NOT NULL,
    low numeric(28, 12) NOT NULL CHECK (low > 0),
    close numeric(28, 12) NOT NULL CHECK (close > 0),
    volume numeric(28, 12) NOT NULL CHECK (volume >= 0),
    PRIMARY KEY (instrument_id, source, interval, time),
    CONSTRAINT candle_encloses CHECK (low <= least(open, close) AND high >= greatest(open, close))
) PARTITION BY RANGE (time);

-- Catches what no month has been made for yet; making the month moves the rows there.
CREATE TABLE market_candle_default PARTITION OF market_candle DEFAULT;

CREATE FUNCTION ensure_candle_partitions(from_date date, to_date date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    month date := date_trunc('month', from_date);
    part text;
    starts timestamptz;
    ends timestamptz;
    made integer := 0;
BEGIN
    IF to_date < from_date OR to_date - from_date > 36600 THEN
        RAISE EXCEPTION 'candle partitions from % to %: a range of at most 100 years is needed',
            from_date, to_date USING ERRCODE = 'invalid_parameter_value';
    END IF;
    WHILE month <= to_date LOOP
        part := 'market_candle_' || to_char(month, 'YYYYMM');
        IF to_regclass(part) IS NULL THEN
            -- One maker at a time; whoever waited here finds the month made.
            PERFORM pg_advisory_xact_lock(hashtext('market_candle'));
            IF to_regclass(part) IS NULL THEN
                starts := month::timestamp AT TIME ZONE 'UTC';
                ends := (month + interval '1 month')::timestamp AT TIME ZONE 'UTC';
                EXECUTE format(
                    'CREATE TABLE %I (LIKE market_candle INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
                    part);
                EXECUTE format(
                    'WITH moved AS (DELETE FROM market_candle_default '
                    'WHERE time >= %L AND time < %L RETURNING *) INSERT INTO %I SELECT * FROM moved',
                    starts, ends, part);
                EXECUTE format(
                    'ALTER TABLE market_candle ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                    part, starts, ends);
                made := made + 1;
            END IF;
        END IF;
        month := month + interval '1 month';
    END LOOP;
    RETURN made;
END
$$;
"""
BACKWARD = """
DROP FUNCTION ensure_candle_partitions(date, date);
DROP TABLE market_candle;
"""


class Migration(migrations.Migration):
    dependencies = [("market", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
