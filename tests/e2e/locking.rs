//! Accounts that are locked for writing, suspended, and opened again.

use messages::Encoding;
use model::{BucketName, S3Uid};
use object_store::{Access, ListObjects, ObjectStore, StoreError};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::amqp::AmqpCaller;
use test_support::deployment::Settings;
use test_support::world::{World, wait_until};
use uuid::Uuid;

use crate::s3::{S3Client, S3Request};
use crate::{LIMIT, admin_store, events, order, store_of};

const LOCKED: &str = "the S3 account is locked for writing";
const SUSPENDED: &str = "the S3 account is suspended";

/// Sends `set_account_access` as billing does; returns the reply.
async fn set(billing: &AmqpCaller, s3uid: &str, access: &str) -> Value {
    let parameters = json!({"s3uid": s3uid, "access": access, "reason": "a test"});
    billing.call("set_account_access", parameters, Encoding::MessagePack, Some(Uuid::new_v4())).await.unwrap()
}

/// The statuses of what a customer may ask of S3: reading first, then writing.
async fn statuses(s3: &S3Client, bucket: &str, upload: &str) -> (Vec<u16>, Vec<u16>) {
    let ask = async |method: Method, path: String, body: &'static str| {
        s3.send(&S3Request::new(method, path, body)).await.status
    };
    let parts = "<Delete><Object><Key>missing</Key></Object></Delete>";
    let read = vec![
        ask(Method::GET, format!("/{bucket}/kept"), "").await,
        ask(Method::HEAD, format!("/{bucket}/kept"), "").await,
        ask(Method::GET, format!("/{bucket}"), "").await,
        ask(Method::GET, "/".to_owned(), "").await,
    ];
    let written = vec![
        ask(Method::PUT, format!("/{bucket}/new"), "x").await,
        ask(Method::PUT, format!("/{bucket}/kept"), "content").await,
        ask(Method::POST, format!("/{bucket}/large?uploads="), "").await,
        ask(Method::PUT, format!("/{bucket}/begun?partNumber=1&uploadId={upload}"), "x").await,
        ask(Method::DELETE, format!("/{bucket}/new"), "").await,
        ask(Method::POST, format!("/{bucket}?delete="), parts).await,
        ask(Method::PUT, format!("/{bucket}"), "").await,
    ];
    (read, written)
}

/// What the account's commands and queries over HTTP say, where they refuse.
async fn refusals(world: &World, s3uid: &str, bucket: &str) -> [Option<String>; 4] {
    let named = |name: &str| json!({"s3uid": s3uid, "bucket_name": name});
    let file = json!({"s3uid": s3uid, "bucket_name": bucket, "filename": "kept"});
    let missing = world.bucket_name("missing");
    let ask = async |action: &str, parameters: Value| {
        let (_, reply) = world.http(action, parameters).await;
        (reply["result"] != "OK").then(|| reply["message"].as_str().unwrap_or_default().to_owned())
    };
    for action in ["get_buckets_rmq", "get_user_info", "show_key"] {
        let refused = ask(action, json!({"s3uid": s3uid, "s3_key": "access_key"})).await;
        assert_eq!(refused, None, "{action}");
    }
    [
        ask("get_files", named(bucket)).await,
        ask("create_bucket", named(&world.bucket_name("new"))).await,
        ask("delete_file", file).await.filter(|message| message != "File not found"),
        ask("delete_bucket", named(&missing)).await.filter(|message| !message.ends_with("Bucket not found")),
    ]
}

async fn assert_no_drift(world: &World, s3uid: &str) {
    let output = world.deployment.purser(&["reconcile", "--json", "--account", s3uid]).await.unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &report["accounts"], &report["findings"]), (Some(0), &json!(1), &json!([])));
}

#[tokio::test]
async fn a_locked_account_is_read_and_a_suspended_one_is_not() {
    let world = World::start().await;
    let (s3uid, bucket) = order(&world).await;
    let (store, keys) = store_of(&world, &s3uid).await;
    let name: BucketName = bucket.parse().unwrap();
    let s3 = S3Client::new(world.deployment.services().rgw_url.trim_end_matches('/').to_owned(), keys.clone());
    store.put_object(&keys, &name, "kept", "content".into()).await.unwrap();
    let begun = s3.send(&S3Request::new(Method::POST, format!("/{bucket}/begun?uploads="), "")).await;
    let upload = begun.element("UploadId");
    let billing = world.amqp("purser-billing").await;

    let none = || [const { None }; 4];
    let all = |message: &str| [(); 4].map(|()| Some(message.to_owned()));
    let [_, create, file, remove] = all(LOCKED);
    for (access, reading, writing, refused) in [
        ("read_only", true, false, [None, create, file, remove]),
        ("none", false, false, all(SUSPENDED)),
        ("full", true, true, none()),
    ] {
        for _ in 0..2 {
            let reply = set(&billing, &s3uid, access).await;
            assert_eq!((&reply["result"], &reply["s3uid"]), (&json!("OK"), &json!(s3uid)), "{reply}");
        }
        let (read, written) = statuses(&s3, &bucket, &upload).await;
        assert!(read.iter().all(|status| (*status == 200) == reading), "{access}: {read:?}");
        assert!(written.iter().all(|status| (200..300).contains(status) == writing), "{access}: {written:?}");
        assert!(read.iter().chain(&written).all(|status| *status < 300 || *status == 403), "{read:?} {written:?}");
        assert_eq!(refusals(&world, &s3uid, &bucket).await, refused, "{access}");
        assert_no_drift(&world, &s3uid).await;
        assert_eq!(world.sql("SELECT access FROM provisioner.accounts").await, access);
    }
    let told = events(&world, &s3uid).await;
    assert_eq!(told.iter().filter(|event| *event == "account_access_changed").count(), 3, "once each: {told:?}");
    let events = "SELECT description, data->>'access', data->>'previous_access' FROM history.entries
                  WHERE event = 'account.access_changed' ORDER BY recorded_at";
    let expected = "S3 account locked for writing: a test|read_only|full\nS3 account suspended: a test|none|read_only\n\
                    S3 account open for reading and writing: a test|full|none";
    assert_eq!(world.sql(events).await, expected);

    let unknown = set(&billing, "00000000000000000000000000000000", "none").await;
    assert!(unknown["message"].as_str().unwrap().starts_with("there is no account"), "{unknown}");
    let odd = set(&billing, &s3uid, "some").await;
    assert_eq!(odd["code"], -1, "{odd}");
}

#[tokio::test]
async fn an_account_that_was_locked_behind_purser_s_back_gets_the_access_of_its_row() {
    let world = World::start().await;
    let (s3uid, _) = order(&world).await;
    let (admin, uid) = (admin_store(&world), s3uid.parse::<S3Uid>().unwrap());
    let billing = world.amqp("purser-billing").await;
    set(&billing, &s3uid, "read_only").await;
    for found in [Access::Full, Access::Suspended] {
        admin.set_access(&uid, found).await.unwrap();
        let arguments = ["reconcile", "--json", "--account", &s3uid, "--repair", "suspension"];
        let output = world.deployment.purser(&arguments).await.unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let finding = &report["findings"][0];
        assert_eq!((&finding["kind"], &finding["repaired"]), (&json!("suspension"), &json!(true)), "{report:#}");
        assert_eq!(finding["expected"], "read-only access");
        assert_eq!(admin.user(&uid).await.unwrap().unwrap().access, Some(Access::ReadOnly));
    }
}

#[tokio::test]
async fn a_bucket_that_was_found_while_its_account_was_locked_is_watched_later() {
    let settings = Settings { has_notifications: true, ..Settings::default() };
    let world = World::start_with(settings, &["all"]).await;
    let (s3uid, _) = order(&world).await;
    let billing = world.amqp("purser-billing").await;
    set(&billing, &s3uid, "read_only").await;
    let found = world.bucket_name("found");
    world
        .sql(&format!(
            "INSERT INTO provisioner.buckets (location, name, s3uid, created_at)
             SELECT location, '{found}', s3uid, created_at FROM provisioner.accounts"
        ))
        .await;
    let (store, keys) = store_of(&world, &s3uid).await;
    admin_store(&world).set_access(&s3uid.parse().unwrap(), Access::Full).await.unwrap();
    store.create_bucket(&keys, &found.parse().unwrap()).await.unwrap();
    set(&billing, &s3uid, "read_only").await;
    assert_no_drift(&world, &s3uid).await;
    set(&billing, &s3uid, "full").await;
    let watched = format!("SELECT notified_topic IS NOT NULL FROM provisioner.buckets WHERE name = '{found}'");
    wait_until(LIMIT, "the bucket is watched", async || world.sql(&watched).await == "t").await;
    assert_no_drift(&world, &s3uid).await;
}

#[tokio::test]
async fn locked_and_suspended_accounts_are_deleted_like_others() {
    let world = World::start().await;
    let billing = world.amqp("purser-billing").await;
    for access in ["read_only", "none"] {
        let (s3uid, bucket) = order(&world).await;
        let (store, keys) = store_of(&world, &s3uid).await;
        store.put_object(&keys, &bucket.parse().unwrap(), "file", "x".into()).await.unwrap();
        set(&billing, &s3uid, access).await;
        let (_, deleted) = world.http_admin("delete_account", json!({"s3uid": s3uid})).await;
        assert_eq!(deleted["result"], "OK", "{deleted}");
        assert_eq!(admin_store(&world).user(&s3uid.parse().unwrap()).await.unwrap(), None);
        let refused = store.list_objects(&keys, &ListObjects::all(bucket.parse().unwrap())).await;
        assert!(matches!(refused, Err(StoreError::Refused { .. } | StoreError::NotFound(_))), "{refused:?}");
        let late = set(&billing, &s3uid, "full").await;
        assert!(late["message"].as_str().unwrap().starts_with("there is no account"), "{late}");
    }
}

#[tokio::test]
async fn what_was_decided_earlier_changes_nothing_any_more() {
    let world = World::start().await;
    let (s3uid, _) = order(&world).await;
    let billing = world.amqp("purser-billing").await;
    let decide = async |access: &str, decided_at: &str| {
        let parameters = json!({"s3uid": s3uid, "access": access, "decided_at": decided_at});
        let reply =
            billing.call("set_account_access", parameters, Encoding::MessagePack, Some(Uuid::new_v4())).await.unwrap();
        assert_eq!(reply["result"], "OK", "{reply}");
        world.sql("SELECT access FROM provisioner.accounts").await
    };
    assert_eq!(decide("full", "2026-11-22T10:00:01Z").await, "full");
    assert_eq!(decide("read_only", "2026-11-22T10:00:00Z").await, "full", "it was overtaken on its way");
    assert_eq!(decide("read_only", "2026-11-22T10:00:02Z").await, "read_only");
    assert_no_drift(&world, &s3uid).await;
}
