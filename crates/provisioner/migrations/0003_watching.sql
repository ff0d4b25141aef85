ALTER TABLE provisioner.buckets
    -- The mark of the topic to which RGW sends the bucket's changes; none where it doesn't.
    ADD COLUMN notified_topic text,
    -- Whoever sets up a bucket's notification has it for itself until then.
    ADD COLUMN notify_not_before timestamptz NOT NULL DEFAULT 'epoch',
    ADD COLUMN notify_failures integer NOT NULL DEFAULT 0;
CREATE INDEX buckets_notified_topic ON provisioner.buckets (location, notified_topic) WHERE deleted_at IS NULL;

-- What database and RGW don't agree about, as last compared.
CREATE TABLE provisioner.drifts (
    location text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    s3uid text,
    expected text NOT NULL,
    found text NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    PRIMARY KEY (location, kind, subject)
);
CREATE INDEX drifts_s3uid ON provisioner.drifts (s3uid);

-- When each location was last compared in the background.
CREATE TABLE provisioner.comparisons (
    location text PRIMARY KEY,
    started_at timestamptz NOT NULL
);
