//! Payments, credit, and books that can't be cooked.

use messages::AddPayment;
use model::Principal;
use serde_json::json;
use test_support::database;

use super::{CUSTOMER, Fixture};

#[tokio::test]
async fn payments_settle_invoices_and_the_rest_becomes_credit() {
    let fixture = Fixture::new().await;
    fixture.service(1).await;
    fixture.service(2).await;
    fixture.run().await;
    // 5.94 and 249.90 are open.
    let paid = fixture.pay("100.00", "bank-1").await;
    assert_eq!(paid["settled"][0], json!({"number": "NL-2026-000001", "amount": "5.94", "open": "0.00"}));
    assert_eq!(paid["settled"][1], json!({"number": "NL-2026-000002", "amount": "94.06", "open": "155.84"}));
    assert_eq!(
        fixture.pay("100.00", "bank-1").await["message"],
        "the payment \"bank-1\" of this customer is noted already"
    );
    let paid = fixture.pay("160.00", "bank-2").await;
    assert_eq!((&paid["credited"], &paid["settled"][0]["open"]), (&json!("4.16"), &json!("0.00")));
    fixture.final_until("2026-05-01");
    fixture.move_to("2026-04-01T00:00:00Z");
    fixture.run().await;
    // The credit paid a part of the next invoice by itself.
    let open =
        "SELECT string_agg(open_amount::text, ' ' ORDER BY open_amount) FROM billing.receivables WHERE open_amount > 0";
    assert_eq!(fixture.sql(open), "1.78 238.00");
    let balances = "SELECT string_agg(account || ' ' || balance, ', ' ORDER BY account) FROM billing.ledger_balances";
    assert_eq!(fixture.sql(balances), "cash 260.00, credit 0.00, receivable 239.78, revenue -419.98, tax -79.80");
    fixture.assert_books_agree().await;
}

#[tokio::test]
async fn a_payment_for_one_invoice_settles_it_first() {
    let fixture = Fixture::new().await;
    fixture.service(1).await;
    fixture.service(2).await;
    fixture.run().await;
    let wish = json!({"id": 7, "amount": "249.90", "currency": "EUR", "reference": "x", "invoice": "NL-2026-000002"});
    let paid = fixture.command::<AddPayment>(Principal::Admin(None), wish).await;
    assert_eq!(paid["settled"], json!([{"number": "NL-2026-000002", "amount": "249.90", "open": "0.00"}]));
    for (change, refusal) in [
        (json!({"invoice": "NL-2026-000002"}), "the customer has no open invoice NL-2026-000002 in EUR"),
        (json!({"amount": "0"}), "amount must be more than 0"),
        (json!({"amount": "-5"}), "amount must be more than 0"),
        (json!({"amount": "1.005"}), "amount has more than EUR's 2 decimal places"),
        (json!({"reference": " "}), "reference must have 1 to 200 characters: what the bank calls the payment"),
        (json!({"id": 8}), "customer not found"),
    ] {
        let mut wish = json!({"id": 7, "amount": "1.00", "currency": "EUR", "reference": "y"});
        wish.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(fixture.command::<AddPayment>(Principal::Admin(None), wish).await["message"], refusal, "{change}");
    }
    let wish = json!({"id": 7, "amount": "1.00", "currency": "EUR", "reference": "z"});
    let refused = fixture.command::<AddPayment>(Principal::Customer(CUSTOMER), wish).await;
    assert_eq!(refused["message"], "payments are noted by administrators and internal services only");
    fixture.assert_books_agree().await;
}

#[tokio::test]
async fn what_is_issued_can_t_be_changed_and_entries_that_don_t_sum_up_can_t_be_written() {
    let fixture = Fixture::new().await;
    fixture.service(1).await;
    fixture.run().await;
    fixture.pay("1.00", "bank-1").await;
    for table in ["documents", "document_lines", "payments", "ledger_transactions", "ledger_entries", "settlements"] {
        for change in [
            format!("DELETE FROM billing.{table}"),
            format!(
                "UPDATE billing.{table} SET {}",
                match table {
                    "documents" | "document_lines" => "net = 1",
                    "payments" | "settlements" | "ledger_entries" => "amount = 1",
                    _ => "kind = 'payment'",
                }
            ),
        ] {
            let error = database::psql(&fixture.services, &fixture.database, &change).unwrap_err().to_string();
            assert!(error.contains("append-only"), "{change}: {error}");
        }
    }
    let cooked =
        "WITH t AS (INSERT INTO billing.ledger_transactions (kind, customer_id, currency, document_id, recorded_at)
                            SELECT 'credit_granted', 7, 'EUR', id, now() FROM billing.documents RETURNING id)
                  INSERT INTO billing.ledger_entries SELECT id, 'credit', -5 FROM t";
    let error = database::psql(&fixture.services, &fixture.database, cooked).unwrap_err().to_string();
    assert!(error.contains("sums to -5"), "{error}");
}

#[tokio::test]
async fn verifying_finds_what_was_cooked_behind_the_triggers() {
    let fixture = Fixture::new().await;
    fixture.service(1).await;
    fixture.run().await;
    fixture.assert_books_agree().await;
    fixture.sql(
        "ALTER TABLE billing.documents DISABLE TRIGGER ALL;
         ALTER TABLE billing.ledger_entries DISABLE TRIGGER ALL;
         UPDATE billing.documents SET net = 3.99, gross = 4.94;
         UPDATE billing.ledger_entries SET amount = -3.99 WHERE account = 'revenue';
         UPDATE billing.document_series SET next_number = 3",
    );
    let found = crate::verify_ledger(fixture.journal.pool()).await.unwrap().contradictions;
    let has = |text: &str| assert!(found.iter().any(|line| line.contains(text)), "{text}: {found:#?}");
    has("transaction 1 sums to 1.00, not to 0");
    has("revenue in EUR is -4.99, but the entries sum to -3.99");
    has("NL-2026-000001: net 3.99, tax 0.95, but its lines sum to 4.99 and 0.95");
    has("NL-2026-000001: there is no transaction of 4.94");
    has("NL-2026-000001: 5.94 is open");
    has("series NL-2026: 1 documents up to number 1, the next is 3");
}
