-- A month whose first entries lie in the partition for the rest stays there: its own could not be made any more.
CREATE OR REPLACE FUNCTION history.make_partitions(first_month date, months integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    begins timestamptz;
    ends timestamptz;
BEGIN
    FOR i IN 0 .. months - 1 LOOP
        begins := (date_trunc('month', first_month) + make_interval(months => i)) AT TIME ZONE 'UTC';
        ends := (date_trunc('month', first_month) + make_interval(months => i + 1)) AT TIME ZONE 'UTC';
        CONTINUE WHEN EXISTS (SELECT FROM history.entries_rest WHERE recorded_at >= begins AND recorded_at < ends);
        EXECUTE format(
            'CREATE TABLE IF NOT EXISTS history.%I PARTITION OF history.entries FOR VALUES FROM (%L) TO (%L)',
            'entries_' || to_char(begins AT TIME ZONE 'UTC', 'YYYY_MM'), begins, ends);
    END LOOP;
END
$$;
