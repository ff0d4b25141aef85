CREATE TABLE billing.customers (
    id bigint PRIMARY KEY,
    email text NOT NULL,
    country text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    -- The operator's entity that bills this customer.
    billing_entity text NOT NULL,
    created_at timestamptz NOT NULL
);

-- A plan is its newest version; a service keeps the version it was sold at.
CREATE TABLE billing.plan_versions (
    plan_id bigint NOT NULL,
    version integer NOT NULL,
    name text NOT NULL,
    active boolean NOT NULL,
    storage_type text NOT NULL,
    locations text[] NOT NULL CHECK (cardinality(locations) > 0),
    -- In the operator's base currency.
    base_price numeric NOT NULL,
    quota_bytes bigint NOT NULL,
    included_storage_bytes bigint NOT NULL,
    -- 0: unlimited.
    included_traffic_in_bytes bigint NOT NULL,
    included_traffic_out_bytes bigint NOT NULL,
    minimum_term text NOT NULL,
    payment_period text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (plan_id, version)
);

CREATE TABLE billing.plan_prices (
    plan_id bigint NOT NULL,
    version integer NOT NULL,
    currency text NOT NULL,
    price numeric NOT NULL CHECK (price >= 0),
    setup_fee numeric NOT NULL CHECK (setup_fee >= 0),
    traffic_overage_price_per_gb numeric NOT NULL CHECK (traffic_overage_price_per_gb >= 0),
    storage_overage_price_per_gb numeric NOT NULL CHECK (storage_overage_price_per_gb >= 0),
    PRIMARY KEY (plan_id, version, currency),
    FOREIGN KEY (plan_id, version) REFERENCES billing.plan_versions
);

CREATE VIEW billing.plans AS
    SELECT DISTINCT ON (plan_id) * FROM billing.plan_versions ORDER BY plan_id, version DESC;

CREATE TABLE billing.orders (
    id uuid PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES billing.customers,
    plan_id bigint NOT NULL,
    plan_version integer NOT NULL,
    -- What the customer paid in when they ordered.
    currency text NOT NULL,
    s3uid text NOT NULL UNIQUE,
    location text NOT NULL,
    bucket_name text NOT NULL,
    -- The command it came from: whom to answer, and under which name.
    action text NOT NULL,
    principal text NOT NULL,
    message_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('provisioning', 'completed', 'failed')),
    deadline timestamptz NOT NULL,
    failure text,
    created_at timestamptz NOT NULL,
    concluded_at timestamptz,
    UNIQUE (principal, message_id),
    FOREIGN KEY (plan_id, plan_version) REFERENCES billing.plan_versions
);
CREATE INDEX orders_open ON billing.orders (deadline) WHERE state = 'provisioning';
CREATE INDEX orders_customer_id ON billing.orders (customer_id);

CREATE TABLE billing.services (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id uuid NOT NULL UNIQUE REFERENCES billing.orders,
    s3uid text NOT NULL UNIQUE,
    customer_id bigint NOT NULL REFERENCES billing.customers,
    plan_id bigint NOT NULL,
    plan_version integer NOT NULL,
    currency text NOT NULL,
    state text NOT NULL CHECK (state IN ('running')),
    period_start timestamptz NOT NULL,
    period_end timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    FOREIGN KEY (plan_id, plan_version) REFERENCES billing.plan_versions
);
CREATE INDEX services_customer_id ON billing.services (customer_id);

CREATE VIEW shared.services AS
    SELECT s3uid, customer_id, plan_id, state, period_start, period_end FROM billing.services;
GRANT SELECT ON shared.services TO purser_provisioner, purser_metering;
