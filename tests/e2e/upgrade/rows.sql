-- What the former version left: written by its workers, taken up by this one's.
INSERT INTO billing.customers (id, email, country, currency, billing_entity, created_at)
VALUES (1, 'alice@example.com', 'NL', 'EUR', 'NL', now() - interval '90 days');
INSERT INTO billing.plan_versions (plan_id, version, name, active, storage_type, locations, base_price, quota_bytes,
    included_storage_bytes, included_traffic_in_bytes, included_traffic_out_bytes, minimum_term, payment_period, created_at)
VALUES (1, 1, 'Standard S3 Plan', true, 'standard', '{NL,US}', 9.80, 100000000000, 100000000000, 0, 1000000000000, '1M',
    '1M', now() - interval '90 days');
INSERT INTO billing.plan_prices VALUES (1, 1, 'EUR', 9.80, 0, 0.01, 0.05);

-- An order that was completed, with its account and its service.
INSERT INTO billing.orders (id, customer_id, plan_id, plan_version, currency, s3uid, location, bucket_name, action,
    principal, message_id, state, deadline, created_at, concluded_at, name)
VALUES ('<order>', 1, 1, 1, 'EUR', '<s3uid>', 'NL', '<bucket>', 'create_order', 'customer:1', gen_random_uuid(),
    'completed', now() - interval '1 hour', now() - interval '2 hours', now() - interval '2 hours', 'st-0123456789ab');
INSERT INTO billing.services (order_id, s3uid, customer_id, plan_id, plan_version, currency, state, period_start,
    period_end, created_at, minimum_until, next_invoice_at)
VALUES ('<order>', '<s3uid>', 1, 1, 1, 'EUR', 'running', date_trunc('day', now(), 'UTC'),
    date_trunc('day', now(), 'UTC') + interval '1 month', now() - interval '2 hours',
    ((now() AT TIME ZONE 'UTC')::date + interval '1 month')::date, now() - interval '2 hours');
INSERT INTO billing.service_plans (service_id, number, from_day, plan_id, plan_version)
SELECT id, 1, (period_start AT TIME ZONE 'UTC')::date, 1, 1 FROM billing.services;
INSERT INTO provisioner.accounts (s3uid, customer_id, order_id, location, state, quota_bytes, access_key,
    sealed_secret_key, created_at)
VALUES ('<s3uid>', 1, '<order>', 'NL', 'active', 100000000000, '<access_key>', '\x<sealed>', now() - interval '2 hours');
INSERT INTO provisioner.buckets (location, name, s3uid, created_at)
VALUES ('NL', '<bucket>', '<s3uid>', now() - interval '2 hours');
INSERT INTO provisioner.subject_versions VALUES ('account/<s3uid>', 2);
INSERT INTO history.entries (event_id, recorded_at, source, event, subject, subject_version, customer_id, actor,
    description, data)
VALUES (gen_random_uuid(), now() - interval '2 hours', '/purser/provisioner', 'account.provisioned', 'account/<s3uid>', 1, 1,
    'customer:1', 'S3 account created in NL', '{}');

-- Its event has not left yet.
INSERT INTO provisioner.outbox (subject, envelope, body, created_at)
VALUES ('account/<s3uid>', '{"exchange": "s3.events", "routing_key": "bucket.created", "message_type": "bucket.created",
    "encoding": "messagepack", "message_id": "<event>", "correlation_id": null, "headers": {"ce-id": "<event>",
    "ce-source": "/purser/provisioner", "ce-type": "bucket.created", "ce-time": "2026-11-22T10:00:00+00:00",
    "ce-subject": "account/<s3uid>", "ce-specversion": "1.0"}, "persistent": true, "mandatory": true}',
    '{"id": "<event>", "source": "/purser/provisioner", "event": "bucket.created", "subject": "account/<s3uid>",
    "subject_version": 2, "time": "2026-11-22T10:00:00Z", "customer_id": 1, "description": "Bucket <bucket> created",
    "data": {"s3uid": "<s3uid>", "bucket_name": "<bucket>"}}', now());

-- A command that was answered, and one in the middle of which the worker ended.
INSERT INTO provisioner.answered_commands (principal, message_id, action, fingerprint, received_at, reply, answered_at,
    expires_at)
VALUES ('customer:1', '<answered>', 'create_bucket', '\x<answered_fingerprint>', now(),
    '{"result": "OK", "action": "create_bucket", "message": {"status": "success", "bucket_name": "<bucket>"}}', now(),
    now() + interval '1 day');
INSERT INTO provisioner.answered_commands (principal, message_id, action, fingerprint, received_at)
VALUES ('customer:1', '<begun>', 'create_bucket', '\x<begun_fingerprint>', now());
INSERT INTO provisioner.intents (subject, principal, message_id, attempt, lease_until, request, plan, created_at)
VALUES ('account/<s3uid>', 'customer:1', '<begun>', 1, now(),
    '{"action": "create_bucket", "principal": {"customer_id": 1, "role": "customer"}, "message_id": "<begun>",
    "caller": null, "deadline": null, "traceparent": null,
    "raw_parameters": {"s3uid": "<s3uid>", "bucket_name": "<begun_bucket>"}}',
    '{"account": {"s3uid": "<s3uid>", "customer_id": 1, "location": "NL", "quota_bytes": 100000000000,
    "access_key": "<access_key>", "sealed_secret_key": "<sealed_base64>"}, "bucket_name": "<begun_bucket>"}', now());

-- An order whose command to the provisioner has not left yet; its caller has gone and will ask again.
INSERT INTO billing.orders (id, customer_id, plan_id, plan_version, currency, s3uid, location, bucket_name, action,
    principal, message_id, state, deadline, created_at, name)
VALUES ('<new_order>', 1, 1, 1, 'EUR', '<new_s3uid>', 'NL', '<new_bucket>', 'create_order', 'customer:1', '<ordered>',
    'provisioning', now() + interval '10 minutes', now(), 'st-ba9876543210');
INSERT INTO billing.answered_commands (principal, message_id, action, fingerprint, received_at)
VALUES ('customer:1', '<ordered>', 'create_order', '\x<ordered_fingerprint>', now());
INSERT INTO billing.outbox (subject, envelope, body, created_at)
VALUES ('account/<new_s3uid>', '{"exchange": "s3.commands", "routing_key": "provision_account",
    "message_type": "provision_account", "encoding": "messagepack", "message_id": "<event>", "correlation_id": null,
    "headers": {}, "persistent": true, "mandatory": true}',
    '{"order_id": "<new_order>", "s3uid": "<new_s3uid>", "customer_id": 1, "location": "NL",
    "bucket_name": "<new_bucket>", "quota_bytes": 100000000000, "principal": {"customer_id": 1, "role": "customer"}}',
    now());

-- What was metered.
INSERT INTO metering.log_watermarks (location, final_until, read_at) VALUES ('NL', date_trunc('hour', now()), now());
INSERT INTO metering.bucket_usage VALUES ('<s3uid>', '<bucket>', 0, 0, 0, now() - interval '1 hour');
INSERT INTO metering.measured_accounts (s3uid, measured_at) VALUES ('<s3uid>', now() - interval '1 hour');
