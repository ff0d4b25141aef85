//! Services that are due, as SQL lays them, and where to find what a run has made of them.

/// How many services are due.
pub(super) const DUE: &str = "SELECT count(*) FROM billing.services WHERE next_invoice_at <= now()";

/// SQL that adds so many services with their customers and orders: the first month is invoiced, the second one begins today.
/// The usage of the first month is all the usage that there is.
pub(super) fn seed(count: usize) -> String {
    format!(
        "TRUNCATE metering.storage_days, metering.traffic_days, billing.outbox;
         CREATE TEMPORARY TABLE IF NOT EXISTS fresh (n bigint, customer_id bigint, order_id uuid, s3uid text,
             service_id bigint, document_id uuid);
         TRUNCATE fresh;
         INSERT INTO fresh (n, customer_id, order_id, s3uid, document_id)
             SELECT n, (SELECT greatest(max(id), 1000000) FROM billing.customers) + n, gen_random_uuid(),
                    replace(gen_random_uuid()::text, '-', ''), gen_random_uuid()
             FROM generate_series(1, {count}) n;
         INSERT INTO billing.customers (id, email, country, currency, billing_entity, created_at, name, address)
             SELECT customer_id, 'c' || customer_id || '@example.com', 'NL', 'EUR', 'NL', {FIRST_DAY}, 'Customer',
                    'Main Street 1' FROM fresh;
         INSERT INTO billing.orders (id, customer_id, plan_id, plan_version, currency, s3uid, location, bucket_name,
                 action, principal, message_id, state, deadline, created_at, concluded_at, name)
             SELECT order_id, customer_id, 1, 1, 'EUR', s3uid, 'NL', 'bucket-' || customer_id, 'create_order',
                    'customer:' || customer_id, order_id, 'completed', {FIRST_DAY}, {FIRST_DAY}, {FIRST_DAY},
                    'st-' || customer_id FROM fresh;
         INSERT INTO billing.services (order_id, s3uid, customer_id, plan_id, plan_version, currency, state,
                 period_start, period_end, created_at, next_invoice_at, minimum_until, invoiced_periods, period_number)
             SELECT order_id, s3uid, customer_id, 1, 1, 'EUR', 'running', {TODAY}, {TODAY} + interval '1 month',
                    {FIRST_DAY}, {TODAY}, ({TODAY} AT TIME ZONE 'UTC')::date, 1, 2 FROM fresh;
         UPDATE fresh SET service_id = s.id FROM billing.services s WHERE s.s3uid = fresh.s3uid;
         INSERT INTO billing.service_plans (service_id, number, from_day, plan_id, plan_version)
             SELECT service_id, 1, ({FIRST_DAY} AT TIME ZONE 'UTC')::date, 1, 1 FROM fresh;
         INSERT INTO billing.document_series (series, next_number) VALUES ('first', 1) ON CONFLICT DO NOTHING;
         INSERT INTO billing.documents (id, kind, series, series_number, number, service_id, customer_id, occasion,
                 currency, net, tax, gross, issued_at, due_on, billing_entity, customer_name, customer_address,
                 customer_country, customer_vat_id, customer_email)
             SELECT document_id, 'invoice', 'first', service_id, 'first-' || service_id, service_id, customer_id,
                    'period 1', 'EUR', 9.80, 0, 9.80, {FIRST_DAY}, ({TODAY} AT TIME ZONE 'UTC')::date, 'NL', 'Customer',
                    'Main Street 1', 'NL', '', '' FROM fresh;
         INSERT INTO billing.document_lines (document_id, position, service_id, period_number, segment_number, kind,
                 description, plan_name, from_day, to_day, quantity, unit_price, net, tax_percent, tax)
             SELECT document_id, 1, service_id, 1, 1, 'base_fee', 'Base fee', 'Standard S3 Plan',
                    ({FIRST_DAY} AT TIME ZONE 'UTC')::date, ({TODAY} AT TIME ZONE 'UTC')::date, 1, 9.80, 9.80, 0, 0
             FROM fresh;
         INSERT INTO metering.storage_days (s3uid, day, peak_bytes, last_bytes, measured_at, byte_seconds)
             SELECT s3uid, day, 150000000000, 150000000000, day, 150000000000 * 86400::numeric
             FROM fresh, generate_series({FIRST_DAY}, {TODAY} - interval '1 day', '1 day') day;
         INSERT INTO metering.traffic_days (s3uid, day, bytes_in, bytes_out, operations)
             SELECT s3uid, day, 1000000000, 50000000000, 100000
             FROM fresh, generate_series({FIRST_DAY}, {TODAY} - interval '1 day', '1 day') day;
         INSERT INTO metering.log_watermarks (location, final_until, read_at) VALUES ('NL', {TODAY}, now())
             ON CONFLICT (location) DO UPDATE SET final_until = EXCLUDED.final_until;
         ANALYZE billing.customers, billing.orders, billing.services, billing.service_plans, billing.documents,
             billing.document_lines, metering.storage_days, metering.traffic_days"
    )
}

const TODAY: &str = "date_trunc('day', now(), 'UTC')";
const FIRST_DAY: &str = "(date_trunc('day', now(), 'UTC') - interval '1 month')";

/// The tables with the rows that the last run has written for so many services, each with its condition.
pub(super) fn outcome(count: usize) -> Vec<(&'static str, String)> {
    let documents = "SELECT d.id FROM billing.documents d JOIN fresh USING (service_id) WHERE occasion = 'period 2'";
    let of_documents = format!("document_id IN ({documents})");
    let last = |table: &str| format!("id IN (SELECT id FROM {table} ORDER BY id DESC LIMIT {count})");
    let transactions = format!("SELECT id FROM billing.ledger_transactions WHERE {of_documents}");
    vec![
        ("billing.documents", format!("id IN ({documents})")),
        ("billing.document_lines", of_documents.clone()),
        ("billing.receivables", of_documents.clone()),
        ("billing.ledger_transactions", of_documents),
        ("billing.ledger_entries", format!("transaction_id IN ({transactions})")),
        ("history.entries", last("history.entries")),
        ("billing.outbox", last("billing.outbox")),
    ]
}
