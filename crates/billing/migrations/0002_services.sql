-- A package's own readable name: what /storage calls it, and the ident of its service.
ALTER TABLE billing.orders ADD COLUMN name text;
UPDATE billing.orders SET name = 'st-' || substr(md5(id::text), 1, 12);
ALTER TABLE billing.orders ALTER COLUMN name SET NOT NULL, ADD CONSTRAINT orders_name_key UNIQUE (name);

-- Whether a plan is reachable over FTPS.
ALTER TABLE billing.plan_versions ADD COLUMN ftps boolean NOT NULL DEFAULT false;
CREATE OR REPLACE VIEW billing.plans AS
    SELECT DISTINCT ON (plan_id) * FROM billing.plan_versions ORDER BY plan_id, version DESC;

ALTER TABLE billing.services
    DROP CONSTRAINT services_state_check,
    ADD CONSTRAINT services_state_check CHECK (state IN ('running', 'locked', 'off', 'deleting', 'deleted')),
    -- The running period is the so-manieth since the service began.
    ADD COLUMN period_number integer NOT NULL DEFAULT 1 CHECK (period_number > 0),
    -- Set while a cancellation stands.
    ADD COLUMN cancelled_at timestamptz,
    ADD COLUMN termination_at timestamptz,
    -- From here on there is no way back: the account is being deleted.
    ADD COLUMN terminated_at timestamptz,
    ADD COLUMN ended_at timestamptz,
    -- The command that is answered when the account is gone.
    ADD COLUMN deleted_by_principal text,
    ADD COLUMN deleted_by_message_id uuid,
    ADD CHECK ((cancelled_at IS NULL) = (termination_at IS NULL)),
    ADD CHECK ((state = 'deleted') = (ended_at IS NOT NULL)),
    ADD CHECK (terminated_at IS NULL OR state IN ('deleting', 'deleted'));
CREATE INDEX services_termination_at ON billing.services (termination_at)
    WHERE termination_at IS NOT NULL AND terminated_at IS NULL;
CREATE INDEX services_period_end ON billing.services (period_end) WHERE terminated_at IS NULL;

-- What the other roles may know of services, with what their replies show of customer and plan.
CREATE VIEW shared.service_details AS
    SELECT s.id, s.s3uid, o.name, s.customer_id, c.email, c.billing_entity, s.currency, s.plan_id, v.storage_type,
           v.base_price, p.price, v.payment_period, s.state, s.period_start, s.period_end, s.cancelled_at,
           s.termination_at, s.created_at
    FROM billing.services s
    JOIN billing.orders o ON o.id = s.order_id
    JOIN billing.customers c ON c.id = s.customer_id
    JOIN billing.plan_versions v ON v.plan_id = s.plan_id AND v.version = s.plan_version
    JOIN billing.plan_prices p ON p.plan_id = s.plan_id AND p.version = s.plan_version AND p.currency = s.currency;
GRANT SELECT ON shared.service_details TO purser_metering, purser_provisioner;

CREATE VIEW shared.customers AS SELECT id FROM billing.customers;
GRANT SELECT ON shared.customers TO purser_metering;
