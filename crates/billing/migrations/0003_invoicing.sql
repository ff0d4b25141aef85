-- What an invoice needs to know of a customer, and how far they may run up debts.
ALTER TABLE billing.customers
    ADD COLUMN name text NOT NULL DEFAULT '',
    ADD COLUMN address text NOT NULL DEFAULT '',
    ADD COLUMN vat_id text NOT NULL DEFAULT '',
    ADD COLUMN is_tax_exempt boolean NOT NULL DEFAULT false,
    -- None: without a limit.
    ADD COLUMN credit_limit numeric CHECK (credit_limit >= 0);

ALTER TABLE billing.plan_versions
    -- "anniversary", or the day of the month on which periods begin.
    ADD COLUMN billing_day text NOT NULL DEFAULT 'anniversary',
    -- Which traffic costs money beyond what is included.
    ADD COLUMN overage_traffic text NOT NULL DEFAULT 'out' CHECK (overage_traffic IN ('out', 'in', 'both'));
CREATE OR REPLACE VIEW billing.plans AS
    SELECT DISTINCT ON (plan_id) * FROM billing.plan_versions ORDER BY plan_id, version DESC;

ALTER TABLE billing.orders
    DROP CONSTRAINT orders_state_check,
    ADD CONSTRAINT orders_state_check CHECK (state IN ('ordered', 'provisioning', 'completed', 'failed'));

ALTER TABLE billing.services
    -- How far its dunning has come; none while nothing is overdue.
    ADD COLUMN dunning_step text CHECK (dunning_step IN ('reminder', 'lock', 'suspension', 'termination')),
    ADD COLUMN dunning_step_on date CHECK ((dunning_step IS NULL) = (dunning_step_on IS NULL)),
    -- Passed over until then: something is wrong with it.
    ADD COLUMN put_off_until timestamptz,
    -- The end of the longest minimum term that was agreed on.
    ADD COLUMN minimum_until date,
    -- How far an administrator holds it back.
    ADD COLUMN hold text CHECK (hold IN ('lock', 'suspension')),
    -- From this day on no base fee is owed; none while there is no end.
    ADD COLUMN charged_until date,
    -- From this day on nothing is used.
    ADD COLUMN used_until date,
    -- Of so many periods, from the first on, the base fee was invoiced.
    ADD COLUMN invoiced_periods integer NOT NULL DEFAULT 0 CHECK (invoiced_periods >= 0),
    -- When the next document is due; none when there is nothing more to invoice.
    ADD COLUMN next_invoice_at timestamptz,
    -- Not tried by itself before: its usage isn't final.
    ADD COLUMN invoice_retry_at timestamptz;
-- Periods are whole days.
UPDATE billing.services s SET period_start = date_trunc('day', period_start, 'UTC'),
    period_end = date_trunc('day', period_end, 'UTC'),
    -- Services that end before there were invoices end without one.
    next_invoice_at = CASE WHEN terminated_at IS NULL THEN s.created_at END,
    charged_until = (least(termination_at, terminated_at) AT TIME ZONE 'UTC')::date,
    used_until = (least(termination_at, terminated_at) AT TIME ZONE 'UTC')::date,
    minimum_until = ((s.created_at AT TIME ZONE 'UTC')::date + (SELECT
        CASE upper(right(v.minimum_term, 1)) WHEN 'D' THEN make_interval(days => n.count)
            WHEN 'W' THEN make_interval(weeks => n.count) WHEN 'M' THEN make_interval(months => n.count)
            ELSE make_interval(years => n.count) END
        FROM billing.plan_versions v, LATERAL (SELECT left(v.minimum_term, -1)::integer AS count) n
        WHERE v.plan_id = s.plan_id AND v.version = s.plan_version))::date;
ALTER TABLE billing.services ALTER COLUMN minimum_until SET NOT NULL,
    ADD CHECK ((charged_until IS NULL) = (used_until IS NULL));
CREATE INDEX services_next_invoice_at ON billing.services (next_invoice_at, id) WHERE next_invoice_at IS NOT NULL;

-- Under which plans a service was, one after the other; services.plan_id and plan_version are the newest of them.
CREATE TABLE billing.service_plans (
    service_id bigint NOT NULL REFERENCES billing.services,
    number integer NOT NULL CHECK (number > 0),
    from_day date NOT NULL,
    plan_id bigint NOT NULL,
    plan_version integer NOT NULL,
    PRIMARY KEY (service_id, number),
    FOREIGN KEY (plan_id, plan_version) REFERENCES billing.plan_versions
);
INSERT INTO billing.service_plans (service_id, number, from_day, plan_id, plan_version)
    SELECT id, 1, (created_at AT TIME ZONE 'UTC')::date, plan_id, plan_version FROM billing.services;

-- The next number of each series of documents; taken in the transaction that issues one, so that there are no gaps.
CREATE TABLE billing.document_series (
    series text PRIMARY KEY,
    next_number bigint NOT NULL CHECK (next_number > 0)
);

-- Invoices and credit notes. What is issued is never changed.
CREATE TABLE billing.documents (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('invoice', 'credit_note')),
    series text NOT NULL REFERENCES billing.document_series,
    series_number bigint NOT NULL,
    number text NOT NULL UNIQUE,
    service_id bigint NOT NULL REFERENCES billing.services,
    customer_id bigint NOT NULL REFERENCES billing.customers,
    -- Why it was issued: "period 3", "final", "end", "plan 2". Each happens to a service once.
    occasion text NOT NULL,
    currency text NOT NULL,
    net numeric NOT NULL,
    tax numeric NOT NULL,
    gross numeric NOT NULL CHECK (gross = net + tax),
    issued_at timestamptz NOT NULL,
    due_on date NOT NULL,
    -- Seller and customer as they were.
    billing_entity text NOT NULL,
    customer_name text NOT NULL,
    customer_address text NOT NULL,
    customer_country text NOT NULL,
    customer_vat_id text NOT NULL,
    customer_email text NOT NULL,
    UNIQUE (series, series_number),
    UNIQUE (service_id, occasion)
);
CREATE INDEX documents_customer_id ON billing.documents (customer_id, issued_at);

CREATE TABLE billing.document_lines (
    document_id uuid NOT NULL REFERENCES billing.documents,
    position integer NOT NULL CHECK (position > 0),
    service_id bigint NOT NULL,
    -- What is charged for: a charge may have several lines, in several documents.
    period_number integer NOT NULL,
    segment_number integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('setup_fee', 'base_fee', 'storage_overage', 'traffic_overage')),
    description text NOT NULL,
    plan_name text NOT NULL,
    from_day date NOT NULL,
    -- The first day that is not part of it.
    to_day date NOT NULL CHECK (to_day >= from_day),
    quantity numeric NOT NULL,
    unit_price numeric NOT NULL,
    net numeric NOT NULL,
    tax_percent numeric NOT NULL,
    tax numeric NOT NULL,
    PRIMARY KEY (document_id, position)
);
CREATE INDEX document_lines_service_id ON billing.document_lines (service_id);

-- What is still open of an invoice.
CREATE TABLE billing.receivables (
    document_id uuid PRIMARY KEY REFERENCES billing.documents,
    service_id bigint NOT NULL REFERENCES billing.services,
    customer_id bigint NOT NULL REFERENCES billing.customers,
    currency text NOT NULL,
    open_amount numeric NOT NULL CHECK (open_amount >= 0),
    due_on date NOT NULL,
    settled_at timestamptz CHECK ((settled_at IS NOT NULL) = (open_amount = 0))
);
CREATE INDEX receivables_open ON billing.receivables (customer_id, due_on) WHERE open_amount > 0;
CREATE INDEX receivables_of_service ON billing.receivables (service_id, due_on) WHERE open_amount > 0;

CREATE TABLE billing.payments (
    id uuid PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES billing.customers,
    currency text NOT NULL,
    amount numeric NOT NULL CHECK (amount > 0),
    -- Whoever took the payment calls it so; the same one counts once.
    reference text NOT NULL,
    paid_on date NOT NULL,
    recorded_at timestamptz NOT NULL,
    UNIQUE (customer_id, reference)
);

CREATE TABLE billing.ledger_transactions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('document', 'payment', 'credit_applied', 'credit_granted')),
    customer_id bigint NOT NULL REFERENCES billing.customers,
    currency text NOT NULL,
    document_id uuid REFERENCES billing.documents,
    payment_id uuid REFERENCES billing.payments,
    recorded_at timestamptz NOT NULL,
    CHECK (document_id IS NOT NULL OR payment_id IS NOT NULL)
);
CREATE UNIQUE INDEX ledger_transactions_document ON billing.ledger_transactions (document_id) WHERE kind = 'document';
CREATE UNIQUE INDEX ledger_transactions_payment ON billing.ledger_transactions (payment_id) WHERE kind = 'payment';

-- Debits are positive, credits negative.
CREATE TABLE billing.ledger_entries (
    transaction_id bigint NOT NULL REFERENCES billing.ledger_transactions,
    account text NOT NULL CHECK (account IN ('receivable', 'revenue', 'tax', 'credit', 'cash')),
    amount numeric NOT NULL CHECK (amount <> 0),
    PRIMARY KEY (transaction_id, account)
);

-- Which receivables a transaction settled, and by how much.
CREATE TABLE billing.settlements (
    transaction_id bigint NOT NULL REFERENCES billing.ledger_transactions,
    document_id uuid NOT NULL REFERENCES billing.receivables,
    amount numeric NOT NULL CHECK (amount > 0),
    PRIMARY KEY (transaction_id, document_id)
);
CREATE INDEX settlements_document_id ON billing.settlements (document_id);

-- The sums of the entries, kept along with them; `purser ledger verify` recomputes them.
CREATE TABLE billing.ledger_balances (
    customer_id bigint NOT NULL REFERENCES billing.customers,
    currency text NOT NULL,
    account text NOT NULL,
    balance numeric NOT NULL,
    PRIMARY KEY (customer_id, currency, account)
);

-- A transaction is whole when it is committed, or it isn't committed.
CREATE FUNCTION billing.transaction_sums_to_zero() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    total numeric;
BEGIN
    SELECT sum(amount) INTO total FROM billing.ledger_entries WHERE transaction_id = NEW.transaction_id;
    IF total <> 0 THEN
        RAISE EXCEPTION 'ledger transaction % sums to %, not to 0', NEW.transaction_id, total;
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER ledger_entries_sum AFTER INSERT ON billing.ledger_entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing.transaction_sums_to_zero();

CREATE FUNCTION billing.never_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END
$$;
CREATE TRIGGER documents_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing.documents
    FOR EACH STATEMENT EXECUTE FUNCTION billing.never_changed();
CREATE TRIGGER document_lines_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing.document_lines
    FOR EACH STATEMENT EXECUTE FUNCTION billing.never_changed();
CREATE TRIGGER payments_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing.payments
    FOR EACH STATEMENT EXECUTE FUNCTION billing.never_changed();
CREATE TRIGGER ledger_transactions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing.ledger_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION billing.never_changed();
CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing.ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION billing.never_changed();
CREATE TRIGGER settlements_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing.settlements
    FOR EACH STATEMENT EXECUTE FUNCTION billing.never_changed();
