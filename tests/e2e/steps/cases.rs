//! For each command: how a fresh subject for it is made, and what the history tells of it afterwards.

use messages::{ActionSpec, Api, Encoding};
use serde_json::{Value, json};
use test_support::amqp::{self, AmqpCaller};
use test_support::world::{CUSTOMER_ID, OTHER_CUSTOMER_ID, World, wait_until};
use uuid::Uuid;

use crate::{LIMIT, store_of, text, upload};

const PROVISIONED: [&str; 2] = ["account.provisioned", "bucket.created"];

/// A command that is about to be sent, and where what it does is seen.
pub(super) struct Subject {
    /// Its sender.
    pub(super) caller: AmqpCaller,
    pub(super) parameters: Value,
    /// The account, where there is one before.
    pub(super) s3uid: Option<String>,
    /// A payment's reference.
    pub(super) reference: Option<String>,
}

/// The events of an account, or of a customer's payment, that a command brings about, in alphabetical order.
///
/// # Panics
///
/// Where a command has no case yet: add it here and to [`prepare`].
pub(super) fn events(action: &str) -> &'static [&'static str] {
    match action {
        "add_payment" => &["payment.received"],
        "cancel_payment_account_deletion" | "storage_undelete" => &["service.cancellation_withdrawn"],
        "change_plan" => &["account.quota_changed", "service.plan_changed"],
        "create_account" | "create_order" | "storage_create" => {
            &["account.provisioned", "bucket.created", "order.placed", "service.started"]
        }
        "create_bucket" => &["bucket.created"],
        "delete_account" => &["account.deleted", "service.ended", "service.terminated"],
        "delete_bucket" => &["bucket.deleted"],
        "delete_file" => &["file.deleted"],
        "delete_payment_account" | "storage_delete" => &["service.cancelled"],
        "hold_service" => &["account.access_changed", "service.held"],
        "storage_newpassword" => &["key.rotated"],
        "update_traffic_info" => &[],
        "provision_account" => &PROVISIONED,
        "purge_account" => &["account.deleted"],
        "release_account" => &["account.released"],
        "set_account_access" => &["account.access_changed"],
        "set_account_quota" => &["account.quota_changed"],
        _ => panic!("{action} is a command without a case"),
    }
}

/// Makes whatever the command needs, so that it will succeed.
pub(super) async fn prepare(world: &World, caller: &AmqpCaller, spec: &ActionSpec) -> Subject {
    if spec.api == Api::Internal {
        return prepare_internal(caller, spec.name).await;
    }
    let office = caller.asking_for(amqp::admin());
    let bucket = world.bucket_name("step");
    let mut subject = Subject { caller: caller.clone(), parameters: json!({}), s3uid: None, reference: None };
    subject.parameters = match spec.name {
        "add_payment" => {
            let reference = Uuid::new_v4().to_string();
            (subject.caller, subject.reference) = (office, Some(reference.clone()));
            json!({"id": OTHER_CUSTOMER_ID, "amount": "1.00", "currency": "USD", "reference": reference})
        }
        "create_account" | "create_order" => json!({"plan_id": 1, "bucket_name": bucket}),
        "storage_create" => json!({"name": "PS100"}),
        "storage_delete" | "storage_newpassword" | "storage_undelete" => {
            let name = call(caller, "storage_create", json!({"name": "PS100"})).await["result"]["name"].clone();
            let s3uid = world.sql(&format!("SELECT s3uid FROM billing.orders WHERE name = '{}'", text(&name))).await;
            subject.s3uid = Some(s3uid);
            if spec.name == "storage_undelete" {
                call(caller, "storage_delete", json!({"name": name})).await;
            }
            json!({"name": name})
        }
        _ => {
            let order = json!({"plan_id": 1, "bucket_name": bucket});
            let s3uid = text(&call(caller, "create_order", order).await["s3uid"]);
            subject.s3uid = Some(s3uid.clone());
            if ["delete_account", "hold_service", "update_traffic_info"].contains(&spec.name) {
                subject.caller = office;
            }
            with_account(world, caller, spec.name, &s3uid, &bucket).await
        }
    };
    subject
}

/// The parameters of a command to an account that was just made.
async fn with_account(world: &World, caller: &AmqpCaller, action: &str, s3uid: &str, bucket: &str) -> Value {
    match action {
        "cancel_payment_account_deletion" => {
            call(caller, "delete_payment_account", json!({"s3uid": s3uid})).await;
            json!({"s3uid": s3uid})
        }
        "change_plan" => {
            // What is settled at the change depends on what was invoiced before.
            let invoiced = format!(
                "SELECT count(*) FROM history.entries WHERE subject = 'account/{s3uid}' AND event = 'invoice.issued'"
            );
            wait_until(LIMIT, "the first invoice", async || world.sql(&invoiced).await == "1").await;
            json!({"s3uid": s3uid, "plan_id": 2})
        }
        "create_bucket" => json!({"s3uid": s3uid, "bucket_name": world.bucket_name("second")}),
        "delete_bucket" => json!({"s3uid": s3uid, "bucket_name": bucket}),
        "delete_file" => {
            let (store, keys) = store_of(world, s3uid).await;
            upload(&store, &keys, bucket, ["a-file".to_owned()]).await;
            json!({"s3uid": s3uid, "bucket_name": bucket, "filename": "a-file"})
        }
        "hold_service" => json!({"s3uid": s3uid, "hold": "lock", "reason": "a test"}),
        "delete_account" | "delete_payment_account" | "update_traffic_info" => json!({"s3uid": s3uid}),
        _ => panic!("{action} is a command without a case"),
    }
}

/// What roles tell one another; no order stands behind it here.
async fn prepare_internal(caller: &AmqpCaller, action: &str) -> Subject {
    let (s3uid, order_id) = (Uuid::new_v4().simple().to_string(), Uuid::new_v4());
    let account = json!({
        "order_id": order_id, "s3uid": s3uid, "customer_id": CUSTOMER_ID, "location": "NL",
        "bucket_name": format!("step-{}", &s3uid[..16]), "quota_bytes": 1_000_000_000,
    });
    if action != "provision_account" {
        call(caller, "provision_account", account.clone()).await;
    }
    let parameters = match action {
        "provision_account" => account,
        "purge_account" => json!({"s3uid": s3uid}),
        "release_account" => json!({"s3uid": s3uid, "order_id": order_id}),
        "set_account_access" => json!({"s3uid": s3uid, "access": "read_only", "reason": "a test"}),
        "set_account_quota" => json!({"s3uid": s3uid, "quota_bytes": 2_000_000_000}),
        _ => panic!("{action} is a command without a case"),
    };
    Subject { caller: caller.clone(), parameters, s3uid: Some(s3uid), reference: None }
}

/// Sends a command that must succeed.
async fn call(caller: &AmqpCaller, action: &str, parameters: Value) -> Value {
    let reply = caller.call(action, parameters, Encoding::MessagePack, None).await.unwrap();
    assert!(succeeded(&reply), "{action}: {reply}");
    reply
}

/// Whether it is a success, in either of the two shapes.
pub(super) fn succeeded(reply: &Value) -> bool {
    reply["result"] == "OK" || reply["code"].as_i64().is_some_and(|code| (200..300).contains(&code))
}
