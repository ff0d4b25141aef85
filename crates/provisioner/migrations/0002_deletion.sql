ALTER TABLE provisioner.accounts
    DROP CONSTRAINT accounts_state_check,
    ADD CONSTRAINT accounts_state_check CHECK (state IN ('active', 'deleting', 'deleted', 'released')),
    ADD COLUMN deleted_at timestamptz;

-- Set where Purser deleted it: a sample of metering that is older may still show it.
ALTER TABLE provisioner.buckets ADD COLUMN deleted_at timestamptz;

-- Accounts that are being emptied and deleted, by one attempt at a time, and the proof of those that were.
CREATE TABLE provisioner.purges (
    s3uid text PRIMARY KEY REFERENCES provisioner.accounts,
    -- The command whose caller sees the progress.
    principal text,
    message_id uuid,
    attempt integer NOT NULL DEFAULT 0,
    -- Since the last progress.
    failures integer NOT NULL DEFAULT 0,
    lease_until timestamptz NOT NULL,
    -- As counted when it began.
    objects_total bigint,
    objects_deleted bigint NOT NULL DEFAULT 0,
    buckets_deleted text[] NOT NULL DEFAULT '{}',
    last_error text,
    started_at timestamptz NOT NULL,
    finished_at timestamptz
);
CREATE INDEX purges_open ON provisioner.purges (lease_until) WHERE finished_at IS NULL;
CREATE INDEX purges_command ON provisioner.purges (principal, message_id) WHERE message_id IS NOT NULL;

CREATE OR REPLACE VIEW shared.accounts AS
    SELECT s3uid, customer_id, order_id, location, state, quota_bytes, created_at, access_key, deleted_at
    FROM provisioner.accounts;

CREATE VIEW shared.buckets AS
    SELECT location, name, s3uid, coalesce(deleted_at, created_at) AS changed_at, deleted_at IS NOT NULL AS is_deleted
    FROM provisioner.buckets;
GRANT SELECT ON shared.buckets TO purser_metering;
