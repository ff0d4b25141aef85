-- When something was last decided about the service's account on RGW; grows also where clocks differ.
ALTER TABLE billing.services ADD COLUMN last_decided_at timestamptz;
