-- The last sample of each bucket.
CREATE TABLE metering.bucket_usage (
    s3uid text NOT NULL,
    bucket_name text NOT NULL,
    usage_bytes bigint NOT NULL,
    -- As RGW counts for quotas: each object rounded up to 4 KiB.
    usage_actual_bytes bigint NOT NULL,
    objects bigint NOT NULL,
    measured_at timestamptz NOT NULL,
    PRIMARY KEY (s3uid, bucket_name)
);

-- RGW's usage log. A later reading of an hour replaces the earlier one.
CREATE TABLE metering.usage_records (
    s3uid text NOT NULL,
    -- RGW's own: '' for requests to no bucket, '-' for some that failed.
    bucket_name text NOT NULL,
    category text NOT NULL,
    hour timestamptz NOT NULL,
    bytes_in bigint NOT NULL,
    bytes_out bigint NOT NULL,
    operations bigint NOT NULL,
    successful_operations bigint NOT NULL,
    measured_at timestamptz NOT NULL,
    PRIMARY KEY (s3uid, hour, bucket_name, category)
);

-- When each account was last read.
CREATE TABLE metering.measured_accounts (
    s3uid text PRIMARY KEY,
    measured_at timestamptz NOT NULL
);

CREATE VIEW shared.bucket_usage AS
    SELECT s3uid, bucket_name, usage_bytes, usage_actual_bytes, objects, measured_at FROM metering.bucket_usage;
CREATE VIEW shared.traffic_by_hour AS
    SELECT s3uid, hour, sum(bytes_in)::bigint AS bytes_in, sum(bytes_out)::bigint AS bytes_out
    FROM metering.usage_records GROUP BY s3uid, hour;
CREATE VIEW shared.measured_accounts AS
    SELECT s3uid, measured_at FROM metering.measured_accounts;
GRANT SELECT ON shared.bucket_usage, shared.traffic_by_hour, shared.measured_accounts
    TO purser_provisioner, purser_billing;
