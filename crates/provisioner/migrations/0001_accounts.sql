CREATE TABLE provisioner.accounts (
    s3uid text PRIMARY KEY,
    customer_id bigint NOT NULL,
    order_id uuid NOT NULL UNIQUE,
    location text NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'released')),
    quota_bytes bigint NOT NULL,
    access_key text NOT NULL,
    -- AEAD ciphertext of the S3 secret key, with the s3uid as associated data.
    sealed_secret_key bytea NOT NULL,
    created_at timestamptz NOT NULL,
    released_at timestamptz
);
CREATE INDEX accounts_customer_id ON provisioner.accounts (customer_id) WHERE state = 'active';

-- Failed orders: their accounts were taken back, or must never be made.
CREATE TABLE provisioner.released_orders (
    order_id uuid PRIMARY KEY,
    released_at timestamptz NOT NULL
);

CREATE TABLE provisioner.buckets (
    location text NOT NULL,
    name text NOT NULL,
    s3uid text NOT NULL REFERENCES provisioner.accounts,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (location, name)
);
CREATE INDEX buckets_s3uid ON provisioner.buckets (s3uid);

CREATE VIEW shared.accounts AS
    SELECT s3uid, customer_id, order_id, location, state, quota_bytes, created_at FROM provisioner.accounts;
GRANT SELECT ON shared.accounts TO purser_metering, purser_billing;
