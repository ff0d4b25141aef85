//! Accounts that are only there, as SQL lays them: what the roles would have written of them.

const BUCKETS: usize = 10;
const ENTRIES: usize = 10;
/// They are taken as just measured, so that no sweep reads them.
const MEASURED: &str = "now() + interval '1 day'";

/// SQL that adds so many accounts of a hundredth as many customers.
pub(super) fn statements(accounts: usize) -> Vec<String> {
    let customers = accounts / 100;
    if customers == 0 {
        return vec!["ANALYZE".to_owned()];
    }
    let people = format!(
        "INSERT INTO billing.customers (id, email, country, currency, billing_entity, created_at, name, address)
             SELECT 1000000 + n, 'c' || n || '@example.com', 'NL', 'EUR', 'NL', now(), 'Customer', 'Main Street 1'
             FROM generate_series(1, {customers}) n;
         CREATE TABLE public.others AS
             SELECT n, 1000000 + 1 + n % {customers} AS customer_id, gen_random_uuid() AS order_id, md5(n::text) AS s3uid
             FROM generate_series(1, {accounts}) n;"
    );
    let services =
        "INSERT INTO billing.orders (id, customer_id, plan_id, plan_version, currency, s3uid, location, bucket_name,
                 action, principal, message_id, state, deadline, created_at, concluded_at, name)
             SELECT order_id, customer_id, 1, 1, 'EUR', s3uid, 'NL', 'bucket-' || n, 'create_order',
                    'customer:' || customer_id, order_id, 'completed', now(), now(), now(), 'st-' || n FROM public.others;
         INSERT INTO billing.services (order_id, s3uid, customer_id, plan_id, plan_version, currency, state,
                 period_start, period_end, created_at, next_invoice_at, minimum_until, invoiced_periods, period_number)
             SELECT order_id, s3uid, customer_id, 1, 1, 'EUR', 'running', now(), now() + interval '1 month', now(),
                    now() + interval '1 month', now()::date, 1, 1 FROM public.others;
         INSERT INTO billing.service_plans (service_id, number, from_day, plan_id, plan_version)
             SELECT s.id, 1, now()::date, 1, 1 FROM billing.services s JOIN public.others USING (s3uid);";
    let buckets = format!(
        "INSERT INTO provisioner.accounts (s3uid, customer_id, order_id, location, state, quota_bytes, access_key,
                 sealed_secret_key, created_at)
             SELECT s3uid, customer_id, order_id, 'NL', 'active', 1000000000000, 'key', '', now() FROM public.others;
         INSERT INTO provisioner.buckets (location, name, s3uid, created_at)
             SELECT 'NL', s3uid || '-' || b, s3uid, now() FROM public.others, generate_series(1, {BUCKETS}) b;
         INSERT INTO metering.measured_accounts (s3uid, measured_at) SELECT s3uid, {MEASURED} FROM public.others;
         INSERT INTO metering.bucket_usage (s3uid, bucket_name, usage_bytes, usage_actual_bytes, objects, measured_at)
             SELECT s3uid, s3uid || '-' || b, 1000000, 1000000, 10, {MEASURED}
             FROM public.others, generate_series(1, {BUCKETS}) b;"
    );
    let history = format!(
        "INSERT INTO provisioner.subject_versions (subject, version) SELECT 'account/' || s3uid, {ENTRIES} FROM public.others;
         INSERT INTO history.entries (event_id, recorded_at, source, event, subject, subject_version, customer_id, actor,
                 description, data)
             SELECT gen_random_uuid(), now(), '/purser/provisioner', 'bucket.created', 'account/' || s3uid, v, customer_id,
                    'customer:' || customer_id, 'Bucket created', jsonb_build_object('s3uid', s3uid)
             FROM generate_series(1, {ENTRIES}) v, public.others;"
    );
    vec![people, services.to_owned(), buckets, history, "ANALYZE".to_owned()]
}
