//! What is invoiced, when, and how it is corrected.

use messages::{ChangePlan, ChangePlanReply, DeleteAccount, InvoicePreview, PlanChangePreview};
use model::Principal;
use runtime::Query;
use serde_json::{Value, json};

use super::{CUSTOMER, Fixture, request};

#[tokio::test]
async fn a_year_of_a_german_plan_is_twelve_invoices() {
    let fixture = Fixture::new().await;
    fixture.service(1).await;
    fixture.final_until("2027-12-31");
    for month in ["2026-03-01T13:00:00Z", "2026-09-15T00:00:00Z", "2027-02-01T00:00:00Z"] {
        fixture.move_to(month);
        fixture.run().await;
    }
    let documents = fixture.documents();
    assert_eq!(documents.len(), 12);
    assert_eq!(documents[0], "NL-2026-000001 4.99 + 0.95 = 5.94");
    assert_eq!(
        fixture.sql("SELECT sum(net), sum(tax) FROM billing.documents WHERE issued_at < '2026-07-01'"),
        "4.99|0.95"
    );
    // From July on the rate is another one: 16 %.
    assert_eq!(
        fixture.sql("SELECT count(*), sum(tax) FROM billing.document_lines WHERE from_day >= '2026-07-01'"),
        "8|6.40"
    );
    assert_eq!(
        fixture.sql("SELECT count(*), sum(tax) FROM billing.document_lines WHERE from_day < '2026-07-01'"),
        "4|3.80"
    );
    assert!(documents[11].starts_with("NL-2027-000005 "), "a series for each year: {}", documents[11]);
    fixture.run().await;
    assert_eq!(fixture.documents().len(), 12, "a run more changes nothing");
    fixture.assert_books_agree().await;
}

#[tokio::test]
async fn overage_waits_for_its_usage_to_be_final_and_late_usage_is_corrected() {
    let fixture = Fixture::new().await;
    let (_, s3uid) = fixture.service(1).await;
    fixture.run().await;
    // 3,100 GB more than what is included for one day of 31: 100 GB-periods, and 50 GB of traffic.
    fixture.used(&s3uid, "2026-03-10", 3_100 + 100 * 31, 1_050);
    fixture.final_until("2026-03-31T23:00:00Z");
    fixture.move_to("2026-04-01T00:30:00Z");
    assert_eq!(fixture.run().await.waiting, 1);
    fixture.final_until("2026-04-01T00:00:00Z");
    assert_eq!(fixture.run().await.issued, 1);
    // 100 × 0.05 + 50 × 0.10 + 4.99, at 19 % line by line.
    assert_eq!(fixture.documents()[1], "NL-2026-000002 14.99 + 2.85 = 17.84");
    fixture.used(&s3uid, "2026-03-10", 100 * 31, 1_060);
    fixture.final_until("2026-05-01T00:00:00Z");
    fixture.move_to("2026-05-01T01:00:00Z");
    fixture.run().await;
    let corrected = fixture.document("NL-2026-000003").await;
    let lines: Vec<_> = corrected
        .amounts
        .lines
        .iter()
        .map(|line| format!("{} {} {} {}", line.period_start, line.description, line.quantity.normalize(), line.net))
        .collect();
    assert_eq!(
        lines,
        [
            "2026-03-01 Correction: Plan 1: storage beyond what is included -100 -5.00",
            "2026-03-01 Correction: Plan 1: traffic beyond what is included 10 1.00",
            "2026-05-01 Plan 1: base fee 1 4.99",
        ]
    );
    fixture.assert_books_agree().await;
}

#[tokio::test]
async fn usage_that_never_becomes_final_holds_up_no_invoice_for_ever() {
    let fixture = Fixture::new().await;
    let (_, s3uid) = fixture.service(1).await;
    fixture.run().await;
    fixture.used(&s3uid, "2026-03-10", 3_100 + 100 * 31, 0);
    fixture.final_until("2026-03-20");
    fixture.move_to("2026-04-03T23:59:59Z");
    assert_eq!(fixture.run().await.waiting, 1);
    fixture.move_to("2026-04-04T00:00:00Z");
    fixture.run().await;
    assert_eq!(fixture.documents()[1], "NL-2026-000002 4.99 + 0.95 = 5.94", "without the usage");
    fixture.final_until("2026-05-02");
    fixture.move_to("2026-05-02T00:00:00Z");
    fixture.run().await;
    assert_eq!(fixture.documents()[2], "NL-2026-000003 9.99 + 1.90 = 11.89", "which comes later");
}

#[tokio::test]
async fn what_an_administrator_ends_is_given_back_and_its_usage_follows() {
    let mut fixture = Fixture::new().await;
    fixture.settings.tax_rates =
        [("DE".to_owned(), [(super::day("2020-01-01"), 25.into())].into())].into_iter().collect();
    fixture.move_to("2026-04-01T09:00:00Z");
    let (_, s3uid) = fixture.service(2).await;
    fixture.run().await;
    assert_eq!(fixture.documents(), ["NL-2026-000001 210.00 + 52.50 = 262.50"], "with the setup fee");
    fixture.command::<DeleteAccount>(Principal::Admin(None), json!({"s3uid": s3uid, "id": 7})).await;
    assert_eq!(fixture.documents()[1], "NL-CN-2026-000001 -193.33 + -48.33 = -241.66");
    assert_eq!(fixture.sql("SELECT open_amount FROM billing.receivables"), "20.84");
    assert_eq!(
        fixture.sql("SELECT count(*) FROM billing.outbox WHERE envelope ->> 'routing_key' = 'purge_account'"),
        "1"
    );
    // The last day's usage: 6,100 GB, of which a 30th of 100 GB is included.
    fixture.used(&s3uid, "2026-04-01", 6_100, 0);
    fixture.move_to("2026-04-02T02:00:00Z");
    assert_eq!(fixture.run().await.waiting, 1);
    fixture.final_until("2026-04-02");
    fixture.run().await;
    assert_eq!(fixture.documents()[2], "NL-2026-000002 10.00 + 2.50 = 12.50");
    fixture.move_to("2026-09-02T02:00:00Z");
    assert_eq!(fixture.run().await.issued, 0, "it is over");
    fixture.assert_books_agree().await;
}

#[tokio::test]
async fn a_customer_who_deletes_is_given_nothing_back() {
    let fixture = Fixture::new().await;
    let (_, s3uid) = fixture.service(1).await;
    fixture.final_until("2026-12-31");
    fixture.move_to("2026-04-15T00:00:00Z");
    fixture.run().await;
    fixture.command::<DeleteAccount>(Principal::Customer(CUSTOMER), json!({"s3uid": s3uid})).await;
    fixture.move_to("2026-09-02T02:00:00Z");
    fixture.run().await;
    assert_eq!(fixture.documents().len(), 2);
    assert_eq!(fixture.sql("SELECT next_invoice_at IS NULL FROM billing.services"), "t");
}

#[tokio::test]
async fn a_plan_change_costs_what_its_preview_says() {
    let fixture = Fixture::new().await;
    let (_, s3uid) = fixture.service(1).await;
    fixture.run().await;
    fixture.move_to("2026-03-11T08:00:00Z");
    let own = Principal::Customer(CUSTOMER);
    let wish = json!({"s3uid": s3uid, "plan_id": 2});
    let asked = request("plan_change_preview", own, wish.clone());
    let change = ChangePlan { s3uid: Some(s3uid.to_string()), plan_id: model::PlanId(2), id: None };
    let preview =
        Query::<PlanChangePreview>::answer(&fixture.billing(), &asked, PlanChangePreview(change)).await.unwrap();
    // 21 of 31 days: 200 × 0.677419355 less 4.99 × 0.677419355.
    assert_eq!((preview.now.net.to_string().as_str(), preview.next_price.to_string().as_str()), ("132.10", "200.00"));
    assert_eq!(
        (preview.next_price_gross.to_string().as_str(), preview.next_period_start.to_string().as_str()),
        ("238.00", "2026-04-01")
    );
    let changed = fixture.command::<ChangePlan>(own, wish.clone()).await;
    let reply: ChangePlanReply = serde_json::from_value(changed).unwrap();
    let document = fixture.document(reply.invoice.as_deref().unwrap()).await;
    assert_eq!(document.amounts, preview.now);
    assert!(fixture.published().contains(&"set_account_quota".to_owned()));
    let again = fixture.command::<ChangePlan>(own, wish).await;
    assert_eq!(again["message"], "the S3 account has S3 plan 2 already, in its newest version");
    fixture.final_until("2026-05-01");
    fixture.move_to("2026-04-01T00:00:00Z");
    fixture.run().await;
    assert_eq!(fixture.documents()[2], "NL-2026-000003 200.00 + 38.00 = 238.00");
    fixture.assert_books_agree().await;
}

#[tokio::test]
async fn a_preview_equals_the_invoice_when_it_comes() {
    let fixture = Fixture::new().await;
    let (_, s3uid) = fixture.service(1).await;
    fixture.run().await;
    for date in 1..=31 {
        fixture.used(&s3uid, &format!("2026-03-{date:02}"), 200 + date, 40);
    }
    fixture.final_until("2026-04-01");
    fixture.move_to("2026-03-31T23:59:59Z");
    let asked = request("invoice_preview", Principal::Customer(CUSTOMER), json!({}));
    let wish = InvoicePreview { s3uid: None, id: None };
    let preview = Query::<InvoicePreview>::answer(&fixture.billing(), &asked, wish).await.unwrap();
    assert_eq!(preview.so_far, preview.at_end, "all its usage is final");
    // 100 + 16 GB more than what is included, on average; 240 GB of traffic.
    let nets: Vec<String> = preview.so_far.lines.iter().map(|line| line.net.to_string()).collect();
    assert_eq!(nets, ["4.99", "5.80", "24.00"]);
    fixture.move_to("2026-04-01T00:00:00Z");
    fixture.run().await;
    assert_eq!(fixture.document("NL-2026-000002").await.amounts, preview.next_invoice.amounts);
    let summary: Value = serde_json::to_value(&preview).unwrap();
    assert_eq!(summary["next_invoice"]["due_from"], "2026-04-01");
}

#[tokio::test]
async fn free_plans_have_no_invoices() {
    let fixture = Fixture::new().await;
    fixture.service(3).await;
    fixture.final_until("2026-12-31");
    fixture.move_to("2026-06-15T00:00:00Z");
    assert_eq!(fixture.run().await.empty, 4);
    assert_eq!(fixture.documents(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_not_invoiced_yet_is_when_a_service_ends_or_changes() {
    let fixture = Fixture::new().await;
    let (_, ended) = fixture.service(1).await;
    let (_, changed) = fixture.service(1).await;
    // Neither the first period nor the second one, whose usage isn't final, is invoiced; no period was renewed.
    fixture.final_until("2026-03-20");
    fixture.move_to("2026-04-03T10:00:00Z");
    let own = Principal::Customer(CUSTOMER);
    fixture.command::<DeleteAccount>(Principal::Admin(None), json!({"s3uid": ended, "id": 7})).await;
    fixture.command::<ChangePlan>(own, json!({"s3uid": changed, "plan_id": 2})).await;
    // March, and 3 of 30 days of April.
    assert_eq!(fixture.documents(), ["NL-2026-000001 5.49 + 1.05 = 6.54"]);
    fixture.final_until("2026-05-01");
    fixture.run().await;
    let of_changed =
        "SELECT string_agg(net::text, ' ' ORDER BY period_number, segment_number, kind) FROM billing.document_lines
                      WHERE service_id = 2";
    assert_eq!(fixture.sql(of_changed), "4.99 0.33 186.67", "2 days of the old plan and 28 of the new one");
    fixture.assert_books_agree().await;
}

#[tokio::test]
async fn usage_that_is_corrected_after_the_end_has_a_last_document() {
    let fixture = Fixture::new().await;
    let (_, s3uid) = fixture.service(1).await;
    fixture.run().await;
    fixture.command::<DeleteAccount>(Principal::Admin(None), json!({"s3uid": s3uid, "id": 7})).await;
    fixture.final_until("2026-12-31");
    fixture.move_to("2026-03-02T00:00:00Z");
    fixture.run().await;
    assert_eq!(fixture.documents().len(), 2, "invoice and credit note");
    fixture.used(&s3uid, "2026-03-01", 0, 1_100);
    fixture.move_to("2026-04-07T00:00:00Z");
    fixture.run().await;
    assert_eq!(fixture.documents()[2], "NL-2026-000002 106.77 + 20.29 = 127.06", "1,100 GB less a 31st of 1,000");
    fixture.move_to("2027-04-07T00:00:00Z");
    assert_eq!(fixture.run().await.total(), 0);
}

#[tokio::test]
async fn a_plan_change_on_the_first_day_keeps_the_setup_fee() {
    let fixture = Fixture::new().await;
    let (_, s3uid) = fixture.service(2).await;
    fixture.command::<ChangePlan>(Principal::Admin(None), json!({"s3uid": s3uid, "id": 7, "plan_id": 1})).await;
    fixture.run().await;
    assert_eq!(fixture.documents(), ["NL-2026-000001 14.99 + 2.85 = 17.84"]);
}

#[tokio::test]
async fn a_plan_change_is_a_sale() {
    let fixture = Fixture::new().await;
    let (_, free) = fixture.service(3).await;
    let (_, paid) = fixture.service(1).await;
    let own = Principal::Customer(CUSTOMER);
    let refused = fixture.command::<ChangePlan>(own, json!({"s3uid": paid, "plan_id": 3})).await;
    assert_eq!(refused["message"], "a customer may have 1 free S3 accounts at most");
    fixture.sql("UPDATE billing.customers SET credit_limit = 100");
    let refused = fixture.command::<ChangePlan>(own, json!({"s3uid": free, "plan_id": 2})).await;
    assert_eq!(
        refused["message"],
        "the credit limit of 100.00 EUR is too low: 5.94 EUR are open, 0.00 EUR are credit, and the first invoice is \
         238.00 EUR"
    );
    fixture
        .sql("UPDATE billing.customers SET credit_limit = NULL; UPDATE billing.receivables SET due_on = '2026-01-01'");
    fixture.run().await;
    fixture.sql("UPDATE billing.receivables SET due_on = '2026-01-01'");
    let refused = fixture.command::<ChangePlan>(own, json!({"s3uid": free, "plan_id": 2})).await;
    assert_eq!(refused["message"], "earlier invoices are overdue; this can be ordered once they are paid");
}

#[tokio::test]
async fn nothing_is_dated_back() {
    let fixture = Fixture::new().await;
    fixture.service(1).await;
    fixture.move_to("2026-03-20T00:00:00Z");
    crate::run::run(&fixture.journal, &fixture.settings, super::at("2026-03-02T00:00:00Z"), |_| {}).await.unwrap();
    assert_eq!(fixture.sql("SELECT issued_at::date || ' ' || due_on FROM billing.documents"), "2026-03-20 2026-04-03");
}
