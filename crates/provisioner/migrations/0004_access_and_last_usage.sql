-- What the account may do over S3.
ALTER TABLE provisioner.accounts
    ADD COLUMN access text NOT NULL DEFAULT 'full' CHECK (access IN ('full', 'read_only', 'none')),
    -- When billing decided so: a command that was overtaken on its way changes nothing.
    ADD COLUMN access_decided_at timestamptz;

-- Since when the customer is locked out: what was used before is read before anything is deleted.
ALTER TABLE provisioner.purges ADD COLUMN locked_out_at timestamptz;
