-- What an account stored on each day (UTC): the most that was seen, and the last that was seen.
CREATE TABLE metering.storage_days (
    s3uid text NOT NULL,
    day date NOT NULL,
    peak_bytes bigint NOT NULL,
    last_bytes bigint NOT NULL,
    measured_at timestamptz NOT NULL,
    PRIMARY KEY (s3uid, day)
);
