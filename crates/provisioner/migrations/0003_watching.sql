-- The topic to which RGW sends the bucket's changes; none where it doesn't.
ALTER TABLE provisioner.buckets ADD COLUMN notified_topic text;

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
