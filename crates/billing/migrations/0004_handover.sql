-- Where another system issues the invoices: what it must be told, in the order in which it happened.
CREATE TABLE billing.handover_tasks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Tasks of one order follow one another.
    order_id uuid NOT NULL REFERENCES billing.orders,
    -- What it is about; the same task is noted once.
    key text NOT NULL,
    task jsonb NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'attempting', 'done', 'parked', 'dropped')),
    attempts integer NOT NULL DEFAULT 0,
    not_before timestamptz NOT NULL,
    -- While an attempt is under way. Whoever finds it over doesn't know what became of it.
    lease_until timestamptz,
    -- Why it was not done so far, or by whom it was settled.
    detail text,
    created_at timestamptz NOT NULL,
    concluded_at timestamptz,
    UNIQUE (order_id, key),
    CHECK ((state = 'attempting') = (lease_until IS NOT NULL)),
    CHECK ((state IN ('done', 'dropped')) = (concluded_at IS NOT NULL))
);
CREATE INDEX handover_tasks_open ON billing.handover_tasks (order_id, id) WHERE state IN ('waiting', 'attempting');
CREATE INDEX handover_tasks_parked ON billing.handover_tasks (id) WHERE state = 'parked';

-- What the other system calls an order and its service.
ALTER TABLE billing.orders
    -- Whether that system issues the invoices: it stays so for this order, whatever is configured later.
    ADD COLUMN is_external boolean NOT NULL DEFAULT false,
    ADD COLUMN external_order_id bigint,
    ADD COLUMN external_service_id bigint;

-- When its usage was last handed over.
ALTER TABLE billing.services ADD COLUMN usage_reported_on date;
CREATE INDEX services_usage_reported_on ON billing.services (usage_reported_on NULLS FIRST) WHERE state <> 'deleted';

-- Charges that were handed over; they stand beside the lines of Purser's own documents.
CREATE TABLE billing.handover_items (
    task_id bigint PRIMARY KEY REFERENCES billing.handover_tasks,
    service_id bigint NOT NULL REFERENCES billing.services,
    period_number integer NOT NULL,
    segment_number integer NOT NULL,
    kind text NOT NULL,
    plan_name text NOT NULL,
    from_day date NOT NULL,
    to_day date NOT NULL,
    quantity numeric NOT NULL,
    unit_price numeric NOT NULL,
    net numeric NOT NULL,
    tax_percent numeric NOT NULL
);
CREATE INDEX handover_items_service_id ON billing.handover_items (service_id);
CREATE TRIGGER handover_items_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing.handover_items
    FOR EACH STATEMENT EXECUTE FUNCTION billing.never_changed();

CREATE VIEW billing.charged_lines AS
    SELECT service_id, period_number, segment_number, kind, plan_name, from_day, to_day, quantity, unit_price, net,
           tax_percent
    FROM billing.document_lines
    UNION ALL
    SELECT service_id, period_number, segment_number, kind, plan_name, from_day, to_day, quantity, unit_price, net,
           tax_percent
    FROM billing.handover_items;
