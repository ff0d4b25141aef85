-- The history: what happened, for ever. Roles insert and read; nobody updates or deletes.
CREATE TABLE history.entries (
    id bigint GENERATED ALWAYS AS IDENTITY,
    event_id uuid NOT NULL,
    recorded_at timestamptz NOT NULL,
    source text NOT NULL,
    event text NOT NULL,
    subject text NOT NULL,
    subject_version bigint NOT NULL,
    customer_id bigint,
    actor text NOT NULL,
    description text NOT NULL,
    data jsonb NOT NULL,
    traceparent text,
    PRIMARY KEY (id, recorded_at)
) PARTITION BY RANGE (recorded_at);

CREATE INDEX entries_subject ON history.entries (subject, id DESC);
CREATE INDEX entries_customer_id ON history.entries (customer_id, id DESC);

-- Catches what no month's partition takes, so that recording never fails for want of one.
CREATE TABLE history.entries_rest PARTITION OF history.entries DEFAULT;

CREATE FUNCTION history.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the history is append-only: % is refused', TG_OP;
END
$$;
CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE ON history.entries
    FOR EACH ROW EXECUTE FUNCTION history.refuse_change();
CREATE TRIGGER entries_no_truncate BEFORE TRUNCATE ON history.entries
    FOR EACH STATEMENT EXECUTE FUNCTION history.refuse_change();

-- Makes the partitions of the months from first_month on.
CREATE FUNCTION history.make_partitions(first_month date, months integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    month date;
BEGIN
    FOR i IN 0 .. months - 1 LOOP
        month := date_trunc('month', first_month) + make_interval(months => i);
        EXECUTE format(
            'CREATE TABLE IF NOT EXISTS history.%I PARTITION OF history.entries FOR VALUES FROM (%L) TO (%L)',
            'entries_' || to_char(month, 'YYYY_MM'),
            month::timestamp AT TIME ZONE 'UTC',
            (month + interval '1 month')::timestamp AT TIME ZONE 'UTC');
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA history TO purser_provisioner, purser_metering, purser_billing;
GRANT SELECT, INSERT ON history.entries TO purser_provisioner, purser_metering, purser_billing;
