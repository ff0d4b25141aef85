//! Purser where WHMCS issues the invoices: it is told of every order and its end, once, whatever becomes of the calls.

use bytes::Bytes;
use messages::Encoding;
use object_store::{ListObjects, ObjectStore};
use serde_json::{Value, json};
use test_support::amqp;
use test_support::deployment::{Settings, WhmcsSettings};
use test_support::whmcs::{Client, Order, Product, Service, Whmcs};
use test_support::world::{CUSTOMER_ID, World, wait_until};
use uuid::Uuid;

use crate::{LIMIT, admin_store, events, order, storage_state, store_of, text};

/// The product's custom field for Purser's order.
const FIELD: u32 = 7;
const PRODUCT: i64 = 40;

/// What becomes of the next call of an action.
type Trouble = fn(&Whmcs, &str);

/// A WHMCS that knows plan 1 and the customer, but not the other one.
async fn whmcs() -> Whmcs {
    let whmcs = Whmcs::start().await.unwrap();
    whmcs.add_product(Product::new(PRODUCT, "S3", "9.80".parse().unwrap(), &[(FIELD, "Purser's order")]));
    whmcs.add_client(Client::new(CUSTOMER_ID, "alice@example.com", "EUR"));
    whmcs
}

fn settings(whmcs: &Whmcs) -> Settings {
    let whmcs =
        WhmcsSettings { url: whmcs.url(), order_field: FIELD, products: vec![(1, PRODUCT)], timeout_seconds: 5 };
    Settings { whmcs: Some(whmcs), ..Settings::default() }
}

/// Has what waits for another attempt tried now.
async fn hurry(world: &World) {
    world.sql("UPDATE billing.handover_tasks SET not_before = now() WHERE state = 'waiting'").await;
}

/// Waits until the last order's task has come to `state` for the `attempts`th time; returns why it isn't done.
async fn order_task(world: &World, state: &str, attempts: u32) -> String {
    let newest = "FROM billing.handover_tasks WHERE key = 'order' ORDER BY id DESC LIMIT 1";
    let reached = format!("SELECT state = '{state}' AND attempts >= {attempts} {newest}");
    wait_until(LIMIT, "the order's task", async || world.sql(&reached).await == "t").await;
    world.sql(&format!("SELECT detail {newest}")).await
}

/// What a callback key leads to, once that has come to an end.
async fn ended(world: &World, key: &str) -> Value {
    let mut last = Value::Null;
    wait_until(LIMIT, "the command's end", async || {
        last = world.post_form("/eq_callback.php", &[("action", "check"), ("key", key)]).await.1;
        last["result"] != "Not ready"
    })
    .await;
    last
}

/// That WHMCS has the orders of all accounts, accepted and once each, and that Purser has issued nothing.
async fn assert_told_once(world: &World, whmcs: &Whmcs) -> Vec<Service> {
    let (orders, services) = (whmcs.orders(), whmcs.services());
    assert!(orders.iter().all(|order| order.status == "Active" && order.client == CUSTOMER_ID), "{orders:?}");
    let in_whmcs = services.iter().map(|service| {
        let order = &service.custom_fields[&FIELD];
        let Service { username, domain, id, .. } = service;
        format!("{order}|{username}|{domain}|{}|{id}", service.order.unwrap_or_default())
    });
    let in_purser =
        "SELECT id, s3uid, name, external_order_id, external_service_id FROM billing.orders ORDER BY created_at";
    assert_eq!(in_whmcs.collect::<Vec<_>>().join("\n"), world.sql(in_purser).await);
    assert_eq!((orders.len(), whmcs.calls("AddOrder")), (services.len(), services.len()));
    assert_nothing_issued(world).await;
    services
}

async fn assert_nothing_issued(world: &World) {
    for table in ["documents", "receivables", "payments", "ledger_transactions"] {
        assert_eq!(world.sql(&format!("SELECT count(*) FROM billing.{table}")).await, "0", "{table}");
    }
}

#[tokio::test]
async fn an_order_is_placed_and_accepted_in_whmcs_and_its_account_is_usable() {
    let whmcs = whmcs().await;
    let world = World::start_with(settings(&whmcs), &["all"]).await;
    let (s3uid, bucket) = order(&world).await;
    assert_eq!(storage_state(&world, &s3uid).await, "running");
    let (store, keys) = store_of(&world, &s3uid).await;
    store.put_object(&keys, &bucket.parse().unwrap(), "file", "content".into()).await.unwrap();
    let listed = store.list_objects(&keys, &ListObjects::all(bucket.parse().unwrap())).await.unwrap();
    assert_eq!(listed.objects.len(), 1);

    let service = assert_told_once(&world, &whmcs).await.remove(0);
    assert_eq!((service.status.as_str(), service.billing_cycle.as_str()), ("Active", "Monthly"));
    assert_eq!((service.product, service.recurring_amount), (PRODUCT, "9.80".parse().unwrap()));
    let Order { is_confirmed, invoice, .. } = whmcs.orders().remove(0);
    assert!(!is_confirmed && invoice.is_some(), "WHMCS invoices it");
    assert_eq!(whmcs.calls("AcceptOrder"), 1);
    let told = events(&world, &s3uid).await;
    assert_eq!(told, ["order_placed", "account_provisioned", "bucket_created", "service_started"]);
    wait_until(LIMIT, "WHMCS knows the quota", async || whmcs.services()[0].megabytes.disk_limit == 100_000).await;

    let unknown_there = json!({"plan_id": 2, "bucket_name": world.bucket_name("none")});
    let (_, refused) = world.http("create_order", unknown_there).await;
    assert_eq!(refused, json!({"code": -1, "message": "S3 plan 2 is no product of WHMCS"}));
    let office = world.frontend().await.asking_for(amqp::admin());
    let payment = json!({"id": CUSTOMER_ID, "amount": "11.86", "currency": "EUR", "reference": "bank-1"});
    let refused = office.call("add_payment", payment, Encoding::Json, None).await.unwrap();
    assert_eq!(refused["message"], "payments are noted in WHMCS, which issues the invoices");
    assert_told_once(&world, &whmcs).await;
}

#[tokio::test]
async fn an_order_waits_while_whmcs_is_down_and_comes_through_once() {
    let whmcs = whmcs().await;
    let settings = Settings { reply_wait_seconds: 1, order_deadline_seconds: 10, ..settings(&whmcs) };
    let world = World::start_with(settings, &["all", "billing"]).await;
    whmcs.down().await.unwrap();
    let parameters = json!({"plan_id": 1, "bucket_name": world.bucket_name("late")});
    let (caller, id) = (world.http_caller(Some(&world.customer_token)), Uuid::new_v4().to_string());
    let mut keys = Vec::new();
    for _ in 0..2 {
        let reply = caller.call_with_key("create_order", &parameters, Some(&id)).await.unwrap();
        keys.push(text(&reply.body["callback"]));
    }
    let detail = order_task(&world, "waiting", 2).await;
    assert!(detail.starts_with("WHMCS can't be reached"), "{detail}");
    let s3uid = world.sql("SELECT s3uid FROM billing.orders").await;
    assert_eq!(storage_state(&world, &s3uid).await, "ordered");
    // Days later.
    world.sql("UPDATE billing.orders SET deadline = now() - interval '3 days'").await;
    hurry(&world).await;
    order_task(&world, "waiting", 3).await;
    assert_eq!(storage_state(&world, &s3uid).await, "ordered", "no deadline fails it");
    assert_eq!(world.sql("SELECT count(*) FROM provisioner.accounts").await, "0");

    whmcs.up().await.unwrap();
    hurry(&world).await;
    for key in &keys {
        let done = ended(&world, key).await;
        assert_eq!((&done["state"], &done["reply"]["s3uid"]), (&json!("done"), &json!(s3uid)), "{done}");
    }
    assert_eq!(storage_state(&world, &s3uid).await, "running");
    assert_eq!(assert_told_once(&world, &whmcs).await.len(), 1);
}

#[tokio::test]
async fn a_call_whose_outcome_is_unknown_places_no_second_order() {
    let whmcs = whmcs().await;
    let world = World::start_with(settings(&whmcs), &["all"]).await;
    let troubles: [(&str, Trouble); 4] = [
        ("AddOrder", Whmcs::hang_after_effect),
        ("AddOrder", Whmcs::cut_after_effect),
        ("AcceptOrder", Whmcs::hang_after_effect),
        ("AcceptOrder", Whmcs::cut_after_effect),
    ];
    for (number, (action, trouble)) in (1..).zip(troubles) {
        trouble(&whmcs, action);
        let looked_again = async {
            let detail = order_task(&world, "waiting", 1).await;
            assert!(detail.starts_with(&format!("what became of {action} is unknown")), "{detail}");
            let made = world.sql("SELECT count(*) FROM provisioner.accounts").await;
            assert_eq!(made, (number - 1).to_string(), "nothing is made of what isn't sure");
            hurry(&world).await;
        };
        let ((s3uid, _), ()) = tokio::join!(order(&world), looked_again);
        assert_eq!(storage_state(&world, &s3uid).await, "running");
        assert_eq!(assert_told_once(&world, &whmcs).await.len(), number, "{action}");
        assert_eq!(whmcs.calls("AcceptOrder"), number, "{action}");
    }
}

#[tokio::test]
async fn a_worker_that_is_killed_while_it_orders_leaves_one_order() {
    let whmcs = whmcs().await;
    let mut settings = settings(&whmcs);
    settings.whmcs = settings.whmcs.map(|whmcs| WhmcsSettings { timeout_seconds: 40, ..whmcs });
    let mut world = World::start_with(settings, &["provisioner", "metering", "gateway", "billing"]).await;
    whmcs.hang_after_effect("AddOrder");
    let bucket = world.bucket_name("killed");
    let (_, reply) = world.http("create_order", json!({"plan_id": 1, "bucket_name": bucket, "wait": 0})).await;
    wait_until(LIMIT, "WHMCS has the order", async || whmcs.orders().len() == 1).await;
    world.processes.pop().unwrap().kill().unwrap();
    world.processes.push(world.deployment.spawn("billing", &[]).await.unwrap());
    // The lease of the one that was killed ends in minutes; nobody need wait for that here.
    world.sql("UPDATE billing.handover_tasks SET lease_until = now() WHERE state = 'attempting'").await;
    let done = ended(&world, &text(&reply["callback"])).await;
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(assert_told_once(&world, &whmcs).await.len(), 1);
}

#[tokio::test]
async fn an_order_of_somebody_whom_whmcs_does_not_know_fails_and_makes_nothing() {
    let whmcs = whmcs().await;
    let world = World::start_with(settings(&whmcs), &["all"]).await;
    let bucket = world.bucket_name("stranger");
    let (_, reply) = world.http_other("create_order", json!({"plan_id": 1, "bucket_name": bucket})).await;
    let message = "S3 account order failed: WHMCS refuses: there is no client 2";
    assert_eq!(reply, json!({"code": -1, "message": message}));
    wait_until(LIMIT, "the release is recorded", async || {
        world.sql("SELECT count(*) FROM history.entries WHERE event = 'account.released'").await == "1"
    })
    .await;
    for (what, count) in [
        ("billing.orders WHERE state = 'failed'", "1"),
        ("billing.services", "0"),
        ("provisioner.accounts WHERE state = 'active'", "0"),
        ("billing.handover_tasks WHERE state <> 'dropped'", "0"),
    ] {
        assert_eq!(world.sql(&format!("SELECT count(*) FROM {what}")).await, count, "{what}");
    }
    let s3uid = world.sql("SELECT s3uid FROM billing.orders").await;
    assert_eq!(admin_store(&world).user(&s3uid.parse().unwrap()).await.unwrap(), None);
    assert_eq!(admin_store(&world).bucket(&bucket).await.unwrap(), None);
    assert_eq!((whmcs.orders(), whmcs.calls("AddOrder")), (Vec::new(), 0));
    assert_nothing_issued(&world).await;
}

#[tokio::test]
async fn a_cancellation_is_told_once_and_its_withdrawal_is_for_a_person() {
    let whmcs = whmcs().await;
    let world = World::start_with(settings(&whmcs), &["all"]).await;
    let (s3uid, _) = order(&world).await;
    for _ in 0..2 {
        let (_, cancelled) = world.http("delete_payment_account", json!({"s3uid": s3uid})).await;
        assert_eq!(cancelled["result"], "OK", "{cancelled}");
    }
    wait_until(LIMIT, "WHMCS knows of the cancellation", async || !whmcs.cancel_requests().is_empty()).await;
    let request = whmcs.cancel_requests().remove(0);
    assert_eq!((request.service, request.kind.as_str()), (whmcs.services()[0].id, "End of Billing Period"));
    let done = "SELECT state FROM billing.handover_tasks WHERE task ->> 'kind' = 'cancel'";
    wait_until(LIMIT, "the task is done", async || world.sql(done).await == "done").await;
    let (_, withdrawn) = world.http("cancel_payment_account_deletion", json!({"s3uid": s3uid})).await;
    assert_eq!(withdrawn["result"], "OK", "{withdrawn}");
    let by_hand = "SELECT task ->> 'what' FROM billing.handover_tasks WHERE state = 'parked'";
    wait_until(LIMIT, "a person is told", async || !world.sql(by_hand).await.is_empty()).await;
    let what = world.sql(by_hand).await;
    assert!(what.starts_with("the customer withdrew the cancellation for 2"), "{what}");
    assert!(what.ends_with(": remove the service's cancellation request"), "{what}");
    assert_eq!((whmcs.cancel_requests().len(), whmcs.calls("AddCancelRequest")), (1, 1));
    assert_told_once(&world, &whmcs).await;
}

#[tokio::test]
async fn a_deleted_account_is_terminated_in_whmcs_with_what_it_used() {
    let whmcs = whmcs().await;
    let mut world = World::start_with(settings(&whmcs), &["billing", "provisioner", "gateway", "metering"]).await;
    let (s3uid, bucket) = order(&world).await;
    let (store, keys) = store_of(&world, &s3uid).await;
    let megabytes = || whmcs.services()[0].megabytes;
    wait_until(LIMIT, "today's usage is told", async || megabytes().disk_limit == 100_000).await;
    let file = Bytes::from(vec![7; 2_500_000]);
    store.put_object(&keys, &bucket.parse().unwrap(), "file", file).await.unwrap();
    wait_until(LIMIT, "the file is metered", async || {
        world.sql("SELECT coalesce(sum(usage_bytes), 0) >= 2500000 FROM shared.bucket_usage").await == "t"
    })
    .await;
    assert_eq!(megabytes().disk_usage, 0, "told once a day");
    world.sql("UPDATE billing.services SET usage_reported_on = usage_reported_on - 1").await;
    wait_until(LIMIT, "the next day's usage is told", async || megabytes().disk_usage == 3).await;

    // Files go only after the last usage was read; so what is stored doesn't change before WHMCS is told.
    world.processes.pop().unwrap().stop().await.unwrap();
    whmcs.edit_service(whmcs.services()[0].id, |service| service.megabytes.disk_usage = 0);
    let (_, begun) = world.http_admin("delete_account", json!({"s3uid": s3uid, "wait": 0})).await;
    wait_until(LIMIT, "WHMCS knows of the end", async || whmcs.services()[0].termination_date.is_some()).await;
    let service = assert_told_once(&world, &whmcs).await.remove(0);
    assert_eq!((service.status.as_str(), service.suspend_reason.as_str()), ("Terminated", ""));
    let today = world.sql("SELECT (now() AT TIME ZONE 'UTC')::date").await;
    assert_eq!(service.termination_date.map(|day| day.to_string()), Some(today));
    assert_eq!((service.megabytes.disk_usage, service.megabytes.disk_limit), (3, 100_000));

    world.processes.push(world.deployment.spawn("metering", &[]).await.unwrap());
    let done = ended(&world, &text(&begun["callback"])).await;
    assert!(done["reply"]["cancellation_date"].is_string(), "{done}");
    assert_eq!(admin_store(&world).user(&s3uid.parse().unwrap()).await.unwrap(), None);
    let by_hand = world.sql("SELECT task ->> 'what' FROM billing.handover_tasks WHERE state <> 'done'").await;
    assert!(by_hand.starts_with("the service was ended at once: give back "), "{by_hand}");
    assert_nothing_issued(&world).await;
}
