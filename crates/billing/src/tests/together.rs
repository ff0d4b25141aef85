//! Services that are invoiced together have what each alone would have.

use model::{Currency, CustomerId, S3Uid};
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Postgres};

use super::{CUSTOMER, Fixture, plan};

const AMERICAN: CustomerId = CustomerId(8);
const FRENCH: CustomerId = CustomerId(9);

/// Everything that invoicing writes, without what is random.
const WRITTEN: &[(&str, &str)] = &[
    (
        "documents",
        "SELECT number, kind, series, series_number, service_id, customer_id, occasion, currency, net, tax, gross,
                issued_at, due_on, billing_entity, customer_name, customer_address, customer_country, customer_email
         FROM billing.documents ORDER BY number",
    ),
    (
        "lines",
        "SELECT d.number, l.position, l.service_id, l.period_number, l.segment_number, l.kind, l.description,
                l.plan_name, l.from_day, l.to_day, l.quantity, l.unit_price, l.net, l.tax_percent, l.tax
         FROM billing.document_lines l JOIN billing.documents d ON d.id = document_id ORDER BY 1, 2",
    ),
    (
        "ledger",
        "SELECT d.number, p.reference, t.kind, t.customer_id, t.currency, t.recorded_at, e.account, e.amount
         FROM billing.ledger_transactions t LEFT JOIN billing.documents d ON d.id = document_id
         LEFT JOIN billing.payments p ON p.id = payment_id
         LEFT JOIN billing.ledger_entries e ON e.transaction_id = t.id ORDER BY 1, 2, 3, e.account",
    ),
    ("balances", "SELECT * FROM billing.ledger_balances ORDER BY customer_id, currency, account"),
    (
        "receivables",
        "SELECT d.number, r.service_id, r.customer_id, r.currency, r.open_amount, r.due_on, r.settled_at
         FROM billing.receivables r JOIN billing.documents d ON d.id = document_id ORDER BY 1",
    ),
    (
        "settlements",
        "SELECT d.number, t.kind, f.number, s.amount FROM billing.settlements s
         JOIN billing.documents d ON d.id = s.document_id JOIN billing.ledger_transactions t ON t.id = transaction_id
         LEFT JOIN billing.documents f ON f.id = t.document_id ORDER BY 1, 2, 3",
    ),
    ("series", "SELECT * FROM billing.document_series ORDER BY series"),
    ("services", "SELECT id, invoiced_periods, next_invoice_at, invoice_retry_at FROM billing.services ORDER BY id"),
    (
        "history",
        "SELECT data ->> 'number', recorded_at, source, event, subject = 'account/' || (data ->> 's3uid'),
                subject_version, customer_id, actor, description, data - 's3uid', traceparent
         FROM history.entries WHERE event IN ('invoice.issued', 'credit_note.issued') ORDER BY 1",
    ),
    (
        "outbox",
        "SELECT body::jsonb -> 'data' ->> 'number' AS number, envelope ->> 'routing_key',
                subject = body::jsonb ->> 'subject', created_at,
                body::jsonb - '{id,subject,data}'::text[], (body::jsonb -> 'data') - 's3uid'
         FROM billing.outbox WHERE envelope ->> 'routing_key' IN ('invoice.issued', 'credit_note.issued') ORDER BY 1",
    ),
    (
        "differences between history and outbox",
        "SELECT count(*) FROM history.entries e FULL JOIN billing.outbox o ON o.body::jsonb ->> 'id' = e.event_id::text
         WHERE (o.id IS NULL OR e.id IS NULL OR e.data <> o.body::jsonb -> 'data'
                OR e.subject_version <> (o.body::jsonb ->> 'subject_version')::bigint)
             AND coalesce(e.event, 'invoice.issued') IN ('invoice.issued', 'credit_note.issued')",
    ),
];

impl Fixture {
    /// As if another process were invoicing several services together: all are invoiced one by one until this is dropped.
    async fn one_by_one(&self) -> PoolConnection<Postgres> {
        let mut connection = self.journal.pool().acquire().await.unwrap();
        let lock = "SELECT pg_advisory_lock(hashtextextended('purser.invoices', 0))";
        sqlx::query(AssertSqlSafe(lock)).execute(&mut *connection).await.unwrap();
        connection
    }

    /// Three customers of two entities, in two currencies, with services of all kinds; the last is of the French one.
    async fn customers(&self) -> Vec<S3Uid> {
        let dollars = "[plan.prices.USD]\nprice = \"6.00\"\nsetup_fee = \"1.00\"\n\
                       traffic_overage_per_gb = \"0.20\"\nstorage_overage_per_gb = \"0.07\"\n";
        let fourth = format!("{}{dollars}", plan(4, "5.00", "2.00"));
        crate::plans::import(&self.journal, &fourth).await.unwrap();
        for (id, country) in [(AMERICAN, "US"), (FRENCH, "FR")] {
            self.customer(id, country).await;
        }
        self.sql("UPDATE billing.customers SET currency = 'USD', billing_entity = 'US' WHERE id = 8");
        let mut s3uids = Vec::new();
        for (customer, plan, currency) in [
            (CUSTOMER, 1, Currency::EUR),
            (AMERICAN, 4, "USD".parse().unwrap()),
            (CUSTOMER, 2, Currency::EUR),
            (FRENCH, 4, Currency::EUR),
            (CUSTOMER, 3, Currency::EUR),
            (CUSTOMER, 4, Currency::EUR),
            (AMERICAN, 4, "USD".parse().unwrap()),
            (CUSTOMER, 1, Currency::EUR),
            (FRENCH, 1, Currency::EUR),
        ] {
            s3uids.push(self.service_of(customer, plan, currency).await.1);
        }
        s3uids
    }

    /// Three months: with credit for some of the invoices, usage, a credit note, and one service that can't be read.
    async fn three_months(&self) {
        let s3uids = self.customers().await;
        self.pay("260.00", "in advance").await;
        self.run().await;
        for (s3uid, day, stored, out) in
            [(0, 10, 7_000, 1_050), (1, 11, 9_000, 2_000), (5, 31, 100, 1_001), (8, 12, 20_000, 0)]
        {
            self.used(&s3uids[s3uid], &format!("2026-03-{day}"), stored, out);
        }
        self.pay("12.00", "more").await;
        self.final_until("2026-04-01");
        self.move_to("2026-04-01T03:00:00Z");
        self.run().await;
        // What the French customer stored was counted wrong: more is given back than the next period costs.
        self.used(&s3uids[8], "2026-03-12", 0, 0);
        self.sql("DELETE FROM billing.service_plans WHERE service_id = 4");
        self.final_until("2026-05-01");
        self.move_to("2026-05-01T03:00:00Z");
        self.run().await;
    }
}

#[tokio::test]
async fn services_that_are_invoiced_together_have_what_each_alone_would_have() {
    let (together, alone) = (Fixture::new().await, Fixture::new().await);
    let lock = alone.one_by_one().await;
    together.three_months().await;
    alone.three_months().await;
    drop(lock);
    for (what, query) in WRITTEN {
        let written = together.sql(query);
        assert_eq!(written, alone.sql(query), "{what}");
        assert!(!written.is_empty(), "there are {what}");
    }
    assert_eq!(together.sql("SELECT count(*) FROM billing.documents WHERE kind = 'credit_note'"), "1");
    assert_eq!(together.sql("SELECT count(*) > 2 FROM billing.ledger_transactions WHERE kind = 'credit_applied'"), "t");
    assert_eq!(
        together.sql("SELECT string_agg(id::text, ' ') FROM billing.services WHERE invoice_retry_at > '2026-05-01'"),
        "4"
    );
    assert_eq!(
        together.sql("SELECT string_agg(series, ' ' ORDER BY series) FROM billing.document_series"),
        "NL-2026 NL-CN-2026 US-2026"
    );
    together.assert_books_agree().await;
    alone.assert_books_agree().await;
}

#[tokio::test]
async fn more_services_than_one_transaction_takes_are_invoiced_once_and_in_order() {
    let fixture = Fixture::new().await;
    let (first, _) = fixture.service(1).await;
    fixture.sql(
        "WITH o AS (
           INSERT INTO billing.orders SELECT (jsonb_populate_record(o, jsonb_build_object('id', gen_random_uuid(),
               'message_id', gen_random_uuid(), 's3uid', md5(n::text), 'name', 'many-' || n))).*
           FROM billing.orders o, generate_series(1, 649) n RETURNING id, s3uid
         ), s AS (
           INSERT INTO billing.services (order_id, s3uid, customer_id, plan_id, plan_version, currency, state,
               period_start, period_end, created_at, next_invoice_at, minimum_until)
           SELECT o.id, o.s3uid, customer_id, plan_id, plan_version, currency, state, period_start, period_end,
                  created_at, next_invoice_at, minimum_until FROM o, billing.services RETURNING id
         )
         INSERT INTO billing.service_plans (service_id, number, from_day, plan_id, plan_version)
         SELECT s.id, number, from_day, plan_id, plan_version FROM s, billing.service_plans",
    );
    fixture.final_until("2026-12-31");
    fixture.move_to("2026-04-02T00:00:00Z");
    assert_eq!(fixture.run().await.issued, 2 * 650);
    let in_order = "SELECT count(*), count(DISTINCT (service_id, occasion)), bool_and(in_order) FROM (
                      SELECT service_id, occasion, series_number = row_number() OVER (ORDER BY occasion, service_id)
                          AS in_order FROM billing.documents) d";
    assert_eq!(fixture.sql(in_order), "1300|1300|t", "from service {first} on");
    fixture.assert_books_agree().await;
    assert_eq!(fixture.run().await.total(), 0);
}
