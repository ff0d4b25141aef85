-- When billing decided on the quota: a command that was overtaken on its way changes nothing.
ALTER TABLE provisioner.accounts ADD COLUMN quota_decided_at timestamptz;
