//! Handing over to WHMCS, a stand-in of it: what goes wrong on the way loses and doubles nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use messages::{CancelPaymentAccountDeletion, CreateOrder, DeleteAccount, DeletePaymentAccount};
use model::{Principal, S3Uid};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use test_support::whmcs::{Client, IDENTIFIER, PAYMENT_METHODS, Product, SECRET, Whmcs};

use super::{CUSTOMER, Fixture};
use crate::InvoicingSystem;
use crate::handover::runner::Runner;
use crate::handover::{WhmcsInvoicing, WhmcsSettings, operators};

const ORDER_FIELD: u32 = 9;

struct Handover {
    fixture: Fixture,
    whmcs: Whmcs,
    runner: Runner,
}

impl Handover {
    async fn new() -> Self {
        let whmcs = Whmcs::start().await.unwrap();
        whmcs.add_client(Client::new(CUSTOMER.0, "someone@example.com", "EUR"));
        whmcs.add_product(Product::new(12, "Storage", Decimal::new(499, 2), &[(ORDER_FIELD, "Order")]));
        Self::with(whmcs, ORDER_FIELD).await
    }

    async fn with(whmcs: Whmcs, order_field: u32) -> Self {
        let mut fixture = Fixture::new().await;
        let products = BTreeMap::from([(model::PlanId(1), 12)]);
        fixture.settings.invoicing = InvoicingSystem::Whmcs(products.keys().copied().collect());
        let client = whmcs::Client::new(whmcs::Settings {
            url: whmcs.url().parse().unwrap(),
            identifier: IDENTIFIER.to_owned(),
            secret: SECRET.to_owned().into(),
            access_key: None,
            timeout: Duration::from_secs(2),
        });
        let settings = WhmcsSettings { products, order_field, payment_method: PAYMENT_METHODS[0].to_owned() };
        let external = Arc::new(WhmcsInvoicing::new(client.unwrap(), settings));
        let runner = Runner { journal: fixture.journal.clone(), settings: fixture.settings.clone(), external };
        Self { fixture, whmcs, runner }
    }

    async fn order(&self, plan_id: i64) -> Value {
        let wish = json!({"plan_id": plan_id, "bucket_name": "bucket"});
        self.fixture.command::<CreateOrder>(Principal::Customer(CUSTOMER), wish).await
    }

    /// Does what is due now.
    async fn tell(&self) {
        while self.runner.one().await.unwrap() {}
    }

    /// An order that WHMCS has accepted, and its service, which runs.
    async fn service(&self) -> S3Uid {
        self.order(1).await;
        self.tell().await;
        let row = self.fixture.sql("SELECT id || ' ' || s3uid FROM billing.orders WHERE state = 'provisioning'");
        let (order_id, s3uid) = row.split_once(' ').unwrap();
        let mut step = self.fixture.journal.step().await.unwrap();
        let (id, now) = (model::OrderId(order_id.parse().unwrap()), step.now());
        crate::store::orders::conclude(step.connection(), id, None, now).await.unwrap();
        let (schedule, term) =
            crate::store::plans::terms_of_order(step.connection(), id, now.date_naive()).await.unwrap();
        let first = schedule.period(1);
        let bounds = (super::midnight(first.start), super::midnight(first.end));
        crate::store::services::insert(
            step.connection(),
            id,
            super::ServiceState::Running,
            bounds,
            super::minimum_until(first.start, term),
            now,
        )
        .await
        .unwrap();
        step.commit().await.unwrap();
        s3uid.parse().unwrap()
    }

    fn tasks(&self) -> Vec<String> {
        let rows = self
            .fixture
            .sql("SELECT format('%s %s %s', task ->> 'kind', state, attempts) FROM billing.handover_tasks ORDER BY id");
        rows.lines().map(str::to_owned).collect()
    }

    fn order_state(&self) -> String {
        self.fixture.sql("SELECT state FROM billing.orders")
    }
}

#[tokio::test]
async fn an_order_is_placed_and_accepted_before_its_account_is_made() {
    let handover = Handover::new().await;
    handover.order(1).await;
    assert_eq!(handover.order_state(), "ordered");
    assert!(!handover.fixture.published().contains(&"provision_account".to_owned()));
    handover.tell().await;
    assert_eq!(handover.order_state(), "provisioning");
    assert!(handover.fixture.published().contains(&"provision_account".to_owned()));
    assert_eq!((handover.whmcs.calls("AddOrder"), handover.whmcs.calls("AcceptOrder")), (1, 1));
    let refused = handover.order(2).await;
    assert_eq!(refused["message"], "S3 plan 2 is no product of WHMCS");
}

#[tokio::test]
async fn orders_wait_while_whmcs_is_down() {
    let handover = Handover::new().await;
    handover.whmcs.down().await.unwrap();
    handover.order(1).await;
    for _ in 0..3 {
        handover.tell().await;
        handover.fixture.clock.advance(TimeDelta::hours(12));
        // An order that waits for WHMCS never fails by its age.
        assert!(!crate::deadlines::fail_one_overdue(&handover.fixture.journal).await.unwrap());
    }
    assert_eq!(
        (handover.order_state().as_str(), handover.tasks()),
        ("ordered", vec!["place_order waiting 3".to_owned()])
    );
    handover.whmcs.up().await.unwrap();
    handover.tell().await;
    assert_eq!((handover.order_state().as_str(), handover.whmcs.orders().len()), ("provisioning", 1));
}

#[tokio::test]
async fn an_order_whose_outcome_is_unknown_is_found_again() {
    for action in ["AddOrder", "AcceptOrder"] {
        let handover = Handover::new().await;
        handover.whmcs.cut_after_effect(action);
        handover.order(1).await;
        handover.tell().await;
        assert_eq!(handover.order_state(), "ordered", "{action}");
        handover.tell().await;
        assert_eq!(handover.tasks(), ["place_order waiting 1"], "not before WHMCS has certainly ended it");
        handover.fixture.clock.advance(TimeDelta::minutes(3));
        handover.tell().await;
        assert_eq!(handover.order_state(), "provisioning", "{action}");
        assert_eq!((handover.whmcs.orders().len(), handover.whmcs.calls("AcceptOrder")), (1, 1), "{action}");
    }
}

#[tokio::test]
async fn what_can_t_be_ordered_fails_and_what_can_t_be_found_again_is_parked() {
    let whmcs = Whmcs::start().await.unwrap();
    whmcs.add_product(Product::new(12, "Storage", Decimal::new(499, 2), &[(ORDER_FIELD, "Order")]));
    let handover = Handover::with(whmcs, ORDER_FIELD).await;
    handover.order(1).await;
    handover.tell().await;
    assert_eq!(handover.order_state(), "failed");
    assert_eq!(handover.fixture.sql("SELECT failure FROM billing.orders"), "WHMCS refuses: there is no client 7");

    let whmcs = Whmcs::start().await.unwrap();
    whmcs.add_client(Client::new(CUSTOMER.0, "someone@example.com", "EUR"));
    whmcs.add_product(Product::new(12, "Storage", Decimal::new(499, 2), &[(ORDER_FIELD, "Order")]));
    let handover = Handover::with(whmcs, 99).await;
    handover.order(1).await;
    handover.tell().await;
    assert_eq!(handover.tasks(), ["place_order parked 1"]);
    assert!(handover.fixture.published().contains(&"invoicing.task_parked".to_owned()));
    handover.fixture.clock.advance(TimeDelta::days(1));
    handover.tell().await;
    assert_eq!(handover.whmcs.calls("AddOrder"), 1, "and isn't placed again by itself");
}

#[tokio::test]
async fn overage_is_handed_over_once_and_never_repeated_when_nobody_knows() {
    let handover = Handover::new().await;
    let s3uid = handover.service().await;
    let fixture = &handover.fixture;
    fixture.used(&s3uid, "2026-03-10", 3_100 + 100 * 31, 1_050);
    fixture.final_until("2026-04-01");
    fixture.move_to("2026-04-01T01:00:00Z");
    fixture.run().await;
    handover.whmcs.cut_after_effect("AddBillableItem");
    handover.tell().await;
    fixture.clock.advance(TimeDelta::days(1));
    handover.tell().await;
    let items = handover.whmcs.billable_items();
    assert_eq!(items.len(), 2, "{items:?}");
    assert_eq!(handover.tasks(), ["place_order done 1", "add_item parked 1", "add_item done 1"]);
    assert_eq!(fixture.sql("SELECT sum(net) FROM billing.handover_items"), "10.00");
    assert_eq!(fixture.documents(), Vec::<String>::new(), "WHMCS alone issues invoices");
    // What was used less is for a person: WHMCS has no call for it.
    fixture.used(&s3uid, "2026-03-10", 3_100 + 100 * 31, 1_000);
    fixture.final_until("2026-05-01");
    fixture.move_to("2026-05-01T01:00:00Z");
    fixture.run().await;
    handover.tell().await;
    assert_eq!(handover.tasks()[3], "by_hand parked 1");
    let open = operators::open(&fixture.journal, true).await.unwrap();
    assert_eq!(open.len(), 2);
    operators::settle(&fixture.journal, open[0].id, true, "it is there").await.unwrap();
    operators::settle(&fixture.journal, open[1].id, false, "again").await.unwrap_err();
    operators::settle(&fixture.journal, open[1].id, true, "credited").await.unwrap();
    assert!(operators::open(&fixture.journal, false).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_item_that_was_interrupted_is_for_a_person() {
    let handover = Handover::new().await;
    let s3uid = handover.service().await;
    let fixture = &handover.fixture;
    fixture.used(&s3uid, "2026-03-10", 0, 1_050);
    fixture.final_until("2026-04-01");
    fixture.move_to("2026-04-01T01:00:00Z");
    fixture.run().await;
    // A process took it and was killed.
    let mut step = fixture.journal.step().await.unwrap();
    let now = step.now();
    crate::store::handover::claim(step.connection(), now, now + TimeDelta::minutes(5)).await.unwrap().unwrap();
    step.commit().await.unwrap();
    handover.tell().await;
    assert_eq!(handover.tasks()[1], "add_item attempting 1");
    fixture.clock.advance(TimeDelta::minutes(6));
    handover.tell().await;
    assert_eq!((handover.tasks()[1].as_str(), handover.whmcs.calls("AddBillableItem")), ("add_item parked 2", 0));
}

#[tokio::test]
async fn cancellations_and_ends_are_told() {
    let handover = Handover::new().await;
    let s3uid = handover.service().await;
    let fixture = &handover.fixture;
    let (own, wish) = (Principal::Customer(CUSTOMER), json!({"s3uid": s3uid}));
    // Withdrawn before it was told: nobody needs to know.
    fixture.command::<DeletePaymentAccount>(own, wish.clone()).await;
    fixture.command::<CancelPaymentAccountDeletion>(own, wish.clone()).await;
    handover.tell().await;
    assert_eq!(handover.whmcs.calls("AddCancelRequest"), 0);
    // After it was told, in the period that it ends with, a person must take it back.
    fixture.clock.advance(TimeDelta::seconds(1));
    fixture.command::<DeletePaymentAccount>(own, wish.clone()).await;
    handover.tell().await;
    fixture.clock.advance(TimeDelta::seconds(1));
    fixture.command::<CancelPaymentAccountDeletion>(own, wish.clone()).await;
    handover.tell().await;
    assert_eq!(handover.whmcs.cancel_requests().len(), 1);
    assert_eq!(handover.tasks().last().unwrap(), "by_hand parked 1");
    fixture.command::<DeleteAccount>(Principal::Admin(None), wish).await;
    handover.tell().await;
    let service = &handover.whmcs.services()[0];
    assert_eq!((service.status.clone(), service.username.clone()), ("Terminated".to_owned(), s3uid.to_string()));
    assert_eq!(fixture.documents(), Vec::<String>::new());
}

#[tokio::test]
async fn an_order_that_isn_t_accepted_is_not_forgotten() {
    let handover = Handover::new().await;
    handover.whmcs.fail_next("AcceptOrder", "Order ID not found or Status not Pending");
    handover.order(1).await;
    handover.tell().await;
    assert_eq!(
        (handover.order_state().as_str(), handover.tasks()),
        ("ordered", vec!["place_order parked 1".to_owned()])
    );
    assert_eq!(handover.fixture.sql("SELECT external_service_id IS NOT NULL FROM billing.orders"), "t");

    let handover = Handover::new().await;
    handover.whmcs.cut_after_effect("AddOrder");
    handover.order(1).await;
    handover.tell().await;
    let id = handover.whmcs.services()[0].id;
    handover.whmcs.edit_service(id, |service| service.status = "Fraud".to_owned());
    handover.fixture.clock.advance(TimeDelta::minutes(3));
    handover.tell().await;
    assert_eq!(handover.order_state(), "failed", "what WHMCS rejected isn't provisioned");
}

#[tokio::test]
async fn a_cancellation_is_told_in_the_period_that_it_ends_with() {
    let handover = Handover::new().await;
    let s3uid = handover.service().await;
    let fixture = &handover.fixture;
    fixture.sql("UPDATE billing.services SET minimum_until = '2026-06-01'");
    fixture.command::<DeletePaymentAccount>(Principal::Customer(CUSTOMER), json!({"s3uid": s3uid})).await;
    fixture.move_to("2026-04-30T00:00:00Z");
    handover.tell().await;
    assert_eq!(handover.whmcs.calls("AddCancelRequest"), 0);
    fixture.move_to("2026-05-01T00:00:00Z");
    handover.tell().await;
    assert_eq!(handover.whmcs.calls("AddCancelRequest"), 1);
}
