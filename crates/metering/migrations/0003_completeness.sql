-- Storage over time: a row for each hour in which a reading found a change. Between two rows nothing changed.
CREATE TABLE metering.bucket_hours (
    s3uid text NOT NULL,
    bucket_name text NOT NULL,
    hour timestamptz NOT NULL,
    -- Bytes × seconds from the beginning of the hour to sampled_at; from there on, closing_bytes are stored.
    byte_seconds numeric NOT NULL,
    -- Stored when the hour began; none where that was not seen, because it was the first reading ever.
    opening_bytes bigint,
    peak_bytes bigint NOT NULL,
    closing_bytes bigint NOT NULL,
    closing_objects bigint NOT NULL,
    -- The last reading before the hour's first change.
    unchanged_at timestamptz,
    sampled_at timestamptz NOT NULL,
    PRIMARY KEY (s3uid, bucket_name, hour)
);
CREATE INDEX bucket_hours_hour ON metering.bucket_hours (hour);

-- The same for an account's buckets together.
CREATE TABLE metering.account_hours (
    s3uid text NOT NULL,
    hour timestamptz NOT NULL,
    byte_seconds numeric NOT NULL,
    peak_bytes bigint NOT NULL,
    closing_bytes bigint NOT NULL,
    sampled_at timestamptz NOT NULL,
    PRIMARY KEY (s3uid, hour)
);

-- Bytes × seconds of a day that is over; none before.
ALTER TABLE metering.storage_days ADD COLUMN byte_seconds numeric;

INSERT INTO metering.bucket_hours (s3uid, bucket_name, hour, byte_seconds, peak_bytes, closing_bytes, closing_objects, sampled_at)
SELECT s3uid, bucket_name, date_trunc('hour', measured_at, 'UTC'), 0, usage_bytes, usage_bytes, objects, measured_at
FROM metering.bucket_usage;
INSERT INTO metering.account_hours (s3uid, hour, byte_seconds, peak_bytes, closing_bytes, sampled_at)
SELECT s3uid, date_trunc('hour', max(measured_at), 'UTC'), 0, sum(usage_bytes), sum(usage_bytes), max(measured_at)
FROM metering.bucket_usage GROUP BY s3uid;

-- Since when a change is known of that has not been read: it has the sweep's next turn.
ALTER TABLE metering.measured_accounts ADD COLUMN stale_since timestamptz;
CREATE INDEX measured_accounts_stale ON metering.measured_accounts (stale_since) WHERE stale_since IS NOT NULL;

-- What RGW's log held of a record when it was trimmed; what it shows afterwards comes on top.
ALTER TABLE metering.usage_records
    ADD COLUMN trimmed_bytes_in bigint NOT NULL DEFAULT 0,
    ADD COLUMN trimmed_bytes_out bigint NOT NULL DEFAULT 0,
    ADD COLUMN trimmed_operations bigint NOT NULL DEFAULT 0,
    ADD COLUMN trimmed_successful_operations bigint NOT NULL DEFAULT 0;
CREATE INDEX usage_records_hour ON metering.usage_records (hour);
CREATE INDEX usage_records_untrimmed ON metering.usage_records (s3uid, hour) WHERE trimmed_operations < operations;

-- An account's traffic by day (UTC): the sum of its usage records.
CREATE TABLE metering.traffic_days (
    s3uid text NOT NULL,
    day date NOT NULL,
    bytes_in bigint NOT NULL,
    bytes_out bigint NOT NULL,
    operations bigint NOT NULL,
    PRIMARY KEY (s3uid, day)
);
INSERT INTO metering.traffic_days (s3uid, day, bytes_in, bytes_out, operations)
SELECT s3uid, (hour AT TIME ZONE 'UTC')::date, sum(bytes_in), sum(bytes_out), sum(operations)
FROM metering.usage_records GROUP BY 1, 2;

-- How far RGW's log has been read.
CREATE TABLE metering.log_hours (
    location text NOT NULL,
    hour timestamptz NOT NULL,
    -- Of what was read last.
    digest bytea,
    read_at timestamptz,
    -- Since when, after the hour closed, each reading has found the same.
    settled_at timestamptz,
    -- Requests that Purser made so that the log has something to show.
    probes integer NOT NULL DEFAULT 0,
    final_at timestamptz,
    trimmed_at timestamptz,
    PRIMARY KEY (location, hour)
);
CREATE TABLE metering.log_watermarks (
    location text PRIMARY KEY,
    -- All hours before this one are final.
    final_until timestamptz NOT NULL,
    read_at timestamptz
);

-- Hours that were published as usage.recorded.
CREATE TABLE metering.recorded_hours (
    s3uid text NOT NULL,
    hour timestamptz NOT NULL,
    revision integer NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (s3uid, hour)
);

-- Where RGW's log is known to lack something; '' is the whole location.
CREATE TABLE metering.usage_gaps (
    location text NOT NULL,
    hour timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind IN ('lost_flush', 'shrunk', 'unlogged_growth')),
    s3uid text NOT NULL,
    detail text NOT NULL,
    detected_at timestamptz NOT NULL,
    PRIMARY KEY (location, hour, kind, s3uid)
);

-- The highest part of its quota that an account has reached, in percent; none below 80.
CREATE TABLE metering.quota_thresholds (
    s3uid text PRIMARY KEY,
    threshold_percent smallint NOT NULL
);

CREATE VIEW shared.traffic_by_day AS
    SELECT s3uid, day, bytes_in, bytes_out, operations FROM metering.traffic_days;
CREATE VIEW shared.storage_by_day AS
    SELECT s3uid, day, peak_bytes, last_bytes, byte_seconds / 3600 AS byte_hours FROM metering.storage_days;
CREATE VIEW shared.log_watermarks AS SELECT location, final_until, read_at FROM metering.log_watermarks;
GRANT SELECT ON shared.traffic_by_day, shared.storage_by_day, shared.log_watermarks TO purser_provisioner, purser_billing;

-- Usage records that are being deleted from RGW: begun, and repeated until it is done.
CREATE TABLE metering.trims (
    s3uid text PRIMARY KEY,
    from_hour timestamptz NOT NULL,
    to_hour timestamptz NOT NULL,
    started_at timestamptz NOT NULL
);
