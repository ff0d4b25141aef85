-- What an account used in a period, days counted whole but for the first. In PL/pgSQL, which keeps a statement's plan; a
-- function in SQL would be planned anew by each query.

-- The hours of the first day, where it doesn't count whole, and the days after it.
CREATE FUNCTION metering.traffic_between(account text, from_at timestamptz, to_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((SELECT sum(u.bytes_in + u.bytes_out) FROM metering.usage_records u
                     WHERE u.s3uid = account AND from_at > date_trunc('day', from_at, 'UTC')
                         AND u.hour >= date_trunc('hour', from_at, 'UTC')
                         AND u.hour < date_trunc('day', from_at, 'UTC') + interval '1 day'), 0)
        + coalesce((SELECT sum(t.bytes_in + t.bytes_out) FROM metering.traffic_days t
                    WHERE t.s3uid = account AND t.day::timestamp AT TIME ZONE 'UTC' >= from_at
                        AND t.day::timestamp AT TIME ZONE 'UTC' < to_at), 0);
END
$$;

-- A day without a row is as the last one before it ended.
CREATE FUNCTION metering.peak_between(account text, from_at timestamptz, to_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN greatest(coalesce((SELECT max(s.peak_bytes) FROM metering.storage_days s
                              WHERE s.s3uid = account AND s.day >= (from_at AT TIME ZONE 'UTC')::date
                                  AND s.day::timestamp AT TIME ZONE 'UTC' < to_at), 0),
                    coalesce((SELECT s.last_bytes FROM metering.storage_days s
                              WHERE s.s3uid = account AND s.day < (from_at AT TIME ZONE 'UTC')::date
                              ORDER BY s.day DESC LIMIT 1), 0));
END
$$;

CREATE FUNCTION metering.stored_at(account text, to_at timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((SELECT s.last_bytes FROM metering.storage_days s
                     WHERE s.s3uid = account AND s.day::timestamp AT TIME ZONE 'UTC' < to_at
                     ORDER BY s.day DESC LIMIT 1), 0);
END
$$;
