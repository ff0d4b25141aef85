//! What comes too late: from a process that was frozen, with a clock that is behind, for an order that has failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use chrono::TimeDelta;
use messages::{AccountProvisioned, CreateOrder, Event, EventData};
use model::{Clock, CustomerId, ManualClock, OrderId, Principal, S3Uid};
use runtime::Consume;
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

use super::{CUSTOMER, Fixture};
use crate::handover::runner::Runner;
use crate::handover::{ExternalInvoicing, ExternalOrder, Placed, ServiceUpdate};
use crate::{InvoicingSystem, store};

#[tokio::test]
async fn a_later_decision_is_later_on_each_process_s_clock() {
    let fixture = Fixture::new().await;
    let (id, _) = fixture.service(1).await;
    let mut step = fixture.journal.step().await.unwrap();
    let now = step.now();
    let mut last = None;
    for behind_seconds in [0, 60, 60, -1, 3_600] {
        let clock = now - TimeDelta::seconds(behind_seconds);
        let decided_at = Some(store::services::decide(step.connection(), id, clock).await.unwrap());
        assert!(decided_at > last, "{decided_at:?} after {last:?}");
        last = decided_at;
    }
}

#[tokio::test]
async fn an_account_that_comes_after_its_order_has_failed_is_released_again() {
    let fixture = Fixture::new().await;
    let wish = json!({"plan_id": 1, "bucket_name": "bucket"});
    fixture.command::<CreateOrder>(Principal::Customer(CUSTOMER), wish).await;
    let row = fixture.sql("SELECT id || ' ' || s3uid FROM billing.orders");
    let (order_id, s3uid) = row.split_once(' ').unwrap();
    fixture.clock.advance(TimeDelta::days(1));
    assert!(crate::deadlines::fail_one_overdue(&fixture.journal).await.unwrap());
    let releases = || fixture.published().iter().filter(|name| *name == "release_account").count();
    assert_eq!(releases(), 1);

    let data = AccountProvisioned {
        order_id: OrderId(order_id.parse().unwrap()),
        s3uid: s3uid.parse().unwrap(),
        customer_id: CUSTOMER,
        location: "NL".parse().unwrap(),
        bucket_name: "bucket".parse().unwrap(),
        bucket_error: None,
    };
    let event = Event {
        id: Uuid::now_v7(),
        source: "/purser/provisioner".to_owned(),
        event: AccountProvisioned::EVENT.to_owned(),
        subject: format!("account/{s3uid}"),
        subject_version: 1,
        time: fixture.clock.now(),
        customer_id: Some(CUSTOMER),
        description: String::new(),
        data: serde_json::to_value(&data).unwrap(),
    };
    let mut step = fixture.journal.step().await.unwrap();
    fixture.billing().consume(&mut step, &event, data).await.unwrap();
    step.commit().await.unwrap();
    assert_eq!(releases(), 2);
    let ids = "SELECT count(DISTINCT envelope ->> 'message_id') FROM billing.outbox
               WHERE envelope ->> 'routing_key' = 'release_account'";
    assert_eq!(fixture.sql(ids), "2", "another id: the first release may have been answered");
}

/// A system that is asked for an order just before this process is frozen for longer than its lease.
#[derive(Debug)]
struct Freezing {
    clock: ManualClock,
    placed: AtomicU32,
}

#[async_trait]
impl ExternalInvoicing for Freezing {
    async fn knows_customer(&self, _id: CustomerId) -> Result<bool, whmcs::Error> {
        Ok(true)
    }
    async fn find_order(&self, _order: &ExternalOrder) -> Result<Option<Placed>, whmcs::Error> {
        self.clock.advance(TimeDelta::hours(1));
        Ok(None)
    }
    async fn place_order(&self, _order: &ExternalOrder) -> Result<(), whmcs::Error> {
        self.placed.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
    async fn accept_order(&self, _order_id: i64, _s3uid: &S3Uid) -> Result<(), whmcs::Error> {
        Ok(())
    }
    async fn cancel(&self, _service_id: i64, _reason: &str) -> Result<(), whmcs::Error> {
        Ok(())
    }
    async fn update(&self, _service_id: i64, _update: &ServiceUpdate) -> Result<(), whmcs::Error> {
        Ok(())
    }
    async fn add_item(&self, _id: CustomerId, _description: &str, _net: Decimal) -> Result<i64, whmcs::Error> {
        Ok(1)
    }
}

#[tokio::test]
async fn whoever_wakes_up_after_the_lease_places_no_order() {
    let mut fixture = Fixture::new().await;
    fixture.settings.invoicing = InvoicingSystem::Whmcs([model::PlanId(1)].into());
    let wish = json!({"plan_id": 1, "bucket_name": "bucket"});
    fixture.command::<CreateOrder>(Principal::Customer(CUSTOMER), wish).await;
    let external = Arc::new(Freezing { clock: fixture.clock.clone(), placed: AtomicU32::new(0) });
    let (journal, settings) = (fixture.journal.clone(), fixture.settings.clone());
    let runner = Runner { journal, settings, external: Arc::clone(&external) as Arc<dyn ExternalInvoicing> };
    assert!(runner.one().await.unwrap());
    assert_eq!(external.placed.load(Ordering::SeqCst), 0);
    assert_eq!(fixture.sql("SELECT state FROM billing.handover_tasks"), "waiting", "it is tried again");
}
