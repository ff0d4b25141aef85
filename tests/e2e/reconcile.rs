//! `purser reconcile`: every way in which database and RGW can differ, found and put right.
//!
//! The radosgw is shared: each test looks at its own accounts only.

use model::{BucketName, ByteCount, S3Uid};
use object_store::{Access, AckLevel, ListObjects, NewUser, ObjectStore, S3Keys, Topic};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use test_support::deployment::Settings;
use test_support::world::{World, wait_until};

use crate::{LIMIT, admin_store, customer_store, order, store_of, text};

/// A world without metering, which would tell the provisioner of changed buckets.
async fn start(has_notifications: bool) -> World {
    let settings = Settings { has_notifications, ..Settings::default() };
    let mut world = World::start_with(settings, &["billing", "gateway", "provisioner"]).await;
    world.messages_may_stay();
    world
}

/// Runs the command on one account; returns its exit code and its report.
async fn reconcile(world: &World, s3uid: &str, repair: &[&str]) -> (i32, Value) {
    let mut arguments = vec!["reconcile", "--json", "--account", s3uid];
    arguments.extend(repair.iter().flat_map(|kind| ["--repair", *kind]));
    run(world, &arguments).await
}

async fn run(world: &World, arguments: &[&str]) -> (i32, Value) {
    let output = world.deployment.purser(arguments).await.unwrap();
    let report = serde_json::from_slice(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), report.unwrap_or_else(|error| panic!("{error}: {errors}")))
}

/// Kind and subject of each finding.
fn found(report: &Value) -> Vec<(String, String)> {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().map(|finding| (text(&finding["kind"]), text(&finding["subject"]))).collect()
}

/// Asserts that exactly this is found, that it can be put right, and that nothing is left afterwards.
async fn found_and_repaired(world: &World, s3uid: &str, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(kind, subject)| ((*kind).to_owned(), (*subject).to_owned())).collect();
    let (code, report) = reconcile(world, s3uid, &[]).await;
    assert_eq!((code, found(&report)), (1, expected.clone()), "{report:#}");
    assert!(report["findings"].as_array().unwrap().iter().all(|finding| finding["repaired"] == false), "{report:#}");
    let kinds: Vec<&str> = expected.iter().map(|(kind, _)| kind.as_str()).collect();
    let (code, report) = reconcile(world, s3uid, &kinds).await;
    assert_eq!((code, found(&report)), (0, expected.clone()), "{report:#}");
    assert!(report["findings"].as_array().unwrap().iter().all(|finding| finding["repaired"] == true), "{report:#}");
    let (code, report) = reconcile(world, s3uid, &[]).await;
    assert_eq!((code, found(&report)), (0, vec![]), "{report:#}");
    for (kind, subject) in &expected {
        let resolved = format!(
            "SELECT count(*) FROM history.entries WHERE event = 'drift.resolved' AND actor = 'operator'
             AND subject = 'account/{s3uid}' AND data->>'kind' = '{kind}' AND data->>'subject' = '{subject}'"
        );
        assert_ne!(world.sql(&resolved).await, "0", "{kind} {subject}");
    }
}

#[tokio::test]
async fn a_user_who_was_changed_behind_purser_s_back_is_put_right() {
    let world = start(false).await;
    let (s3uid, bucket) = order(&world).await;
    let (store, keys) = store_of(&world, &s3uid).await;
    let (admin, uid) = (admin_store(&world), s3uid.parse::<S3Uid>().unwrap());
    let bucket: BucketName = bucket.parse().unwrap();
    let (code, report) = reconcile(&world, &s3uid, &[]).await;
    assert_eq!((code, &report["accounts"], found(&report)), (0, &json!(1), vec![]), "{report:#}");

    for access in [Access::Suspended, Access::ReadOnly] {
        admin.set_access(&uid, access).await.unwrap();
        found_and_repaired(&world, &s3uid, &[("suspension", &s3uid)]).await;
        assert_eq!(admin.user(&uid).await.unwrap().unwrap().access, Some(Access::Full));
    }
    store.list_objects(&keys, &ListObjects::all(bucket.clone())).await.unwrap();

    admin.set_user_quota(&uid, ByteCount::from_bytes(4_096)).await.unwrap();
    found_and_repaired(&world, &s3uid, &[("quota", &s3uid)]).await;
    assert_eq!(admin.user(&uid).await.unwrap().unwrap().quota, Some(ByteCount::from_gb(100)));

    let other = S3Keys::generate();
    admin.replace_keys(&uid, &other).await.unwrap();
    found_and_repaired(&world, &s3uid, &[("key_missing", &keys.access_key), ("key_extra", &other.access_key)]).await;
    store.list_objects(&keys, &ListObjects::all(bucket.clone())).await.unwrap();
    store.list_objects(&other, &ListObjects::all(bucket.clone())).await.unwrap_err();
    admin.add_keys(&uid, &S3Keys { access_key: keys.access_key.clone(), ..S3Keys::generate() }).await.unwrap();
    let (_, report) = reconcile(&world, &s3uid, &[]).await;
    assert_eq!(report["findings"][0]["found"], "another secret", "{report:#}");
    found_and_repaired(&world, &s3uid, &[("key_missing", &keys.access_key)]).await;
    for secret in [&keys, &other].map(|keys| keys.secret_key.expose_secret()) {
        let leaks = format!("SELECT count(*) FROM history.entries WHERE data::text LIKE '%{secret}%'");
        assert_eq!(world.sql(&leaks).await, "0");
    }

    store.delete_bucket(&keys, &bucket).await.unwrap();
    admin.delete_user(&uid).await.unwrap();
    found_and_repaired(&world, &s3uid, &[("user_missing", &s3uid), ("bucket_missing", bucket.as_str())]).await;
    store.create_bucket(&keys, &bucket).await.unwrap();
    assert_eq!(admin.user(&uid).await.unwrap().unwrap().quota, Some(ByteCount::from_gb(100)));
}

#[tokio::test]
async fn buckets_are_adopted_and_written_off_and_never_taken_from_somebody_else() {
    let world = start(false).await;
    let ((s3uid, first), (other_s3uid, _)) = (order(&world).await, order(&world).await);
    let (store, keys) = store_of(&world, &s3uid).await;
    let (other_store, other_keys) = store_of(&world, &other_s3uid).await;
    let name = world.bucket_name("over-s3");
    let name = name.as_str();
    store.create_bucket(&keys, &name.parse().unwrap()).await.unwrap();
    found_and_repaired(&world, &s3uid, &[("bucket_extra", name)]).await;
    let (_, account) = world.http("get_buckets_rmq", json!({"s3uid": s3uid})).await;
    assert!(account["message"].to_string().contains(name), "{account}");

    store.delete_bucket(&keys, &name.parse().unwrap()).await.unwrap();
    found_and_repaired(&world, &s3uid, &[("bucket_missing", name)]).await;

    let taken: BucketName = first.parse().unwrap();
    store.delete_bucket(&keys, &taken).await.unwrap();
    other_store.create_bucket(&other_keys, &taken).await.unwrap();
    let (code, report) = reconcile(&world, &s3uid, &["bucket_missing", "bucket_extra"]).await;
    assert_eq!((code, found(&report)), (1, vec![("bucket_owner".to_owned(), first.clone())]), "{report:#}");
    assert!(text(&report["findings"][0]["note"]).contains("radosgw-admin bucket"), "{report:#}");
    let refused = world.deployment.purser(&["reconcile", "--repair", "bucket_owner"]).await.unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
}

#[tokio::test]
async fn a_bucket_that_tells_somebody_else_tells_purser_again() {
    let world = start(true).await;
    let (s3uid, bucket) = order(&world).await;
    let (_, account) = world.http("get_buckets_rmq", json!({"s3uid": s3uid})).await;
    let (_, keys) = customer_store(&world, &account);
    let admin = admin_store(&world);
    let name = format!("{}-stray", world.deployment.name());
    let topic = Topic {
        name: name.clone(),
        push_endpoint: world.deployment.amqp_url("rgw").into(),
        exchange: "s3.rgw".to_owned(),
        ack_level: AckLevel::None,
        persistent: false,
    };
    admin.put_topic(&topic).await.unwrap();
    admin.notify(&keys, &bucket, &name).await.unwrap();
    found_and_repaired(&world, &s3uid, &[("notification", &bucket)]).await;
    let right = format!("{}-NL", world.deployment.name());
    assert_eq!(admin.notified_topic(&keys, &bucket).await.unwrap(), Some(right));
    assert_eq!(world.sql("SELECT count(*) FROM history.entries WHERE event = 'bucket.watched'").await, "1");
}

#[tokio::test]
async fn a_user_without_an_account_is_reported_and_stays() {
    let world = World::start_with(Settings::default(), &[]).await;
    let (admin, uid) = (admin_store(&world), S3Uid::random());
    let user =
        NewUser { uid: uid.clone(), display_name: "left over".to_owned(), keys: S3Keys::generate(), max_buckets: 1 };
    admin.create_user(&user).await.unwrap();
    let (code, report) = run(&world, &["reconcile", "--json", "--account", uid.as_str(), "--location", "US"]).await;
    assert_eq!((code, found(&report)), (1, vec![("user_extra".to_owned(), uid.to_string())]), "{report:#}");
    assert!(text(&report["findings"][0]["note"]).contains("radosgw-admin user rm"), "{report:#}");
    let table = world.deployment.purser(&["reconcile", "--account", uid.as_str(), "--location", "US"]).await.unwrap();
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.starts_with("KIND") && table.contains(uid.as_str()), "{table}");
    assert!(admin.user(&uid).await.unwrap().is_some());
    admin.delete_user(&uid).await.unwrap();
    let (code, report) = reconcile(&world, uid.as_str(), &[]).await;
    assert_eq!((code, found(&report)), (2, vec![]), "{report:#}");
    assert_eq!(report["impossible"][0]["error"], "there is neither an account nor a user of this name");
}

#[tokio::test]
async fn what_is_changing_is_left_alone_and_a_location_that_is_down_holds_up_no_other() {
    let variables = vec![("PURSER__LOCATIONS__US__RGW_URL".to_owned(), "http://127.0.0.1:1".to_owned())];
    let world = World::start_with(Settings { variables, ..Settings::default() }, &["all"]).await;
    let (s3uid, _) = order(&world).await;
    let admin = admin_store(&world);
    admin.set_access(&s3uid.parse().unwrap(), Access::Suspended).await.unwrap();
    // The account is new.
    let (code, report) = run(&world, &["reconcile", "--json"]).await;
    assert_eq!((code, &report["accounts"], &report["skipped"]), (2, &json!(0), &json!(1)), "{report:#}");
    let impossible = report["impossible"].as_array().unwrap();
    assert_eq!((impossible.len(), &impossible[0]["location"]), (1, &json!("US")), "{impossible:?}");

    let (code, report) = reconcile(&world, &s3uid, &[]).await;
    assert_eq!((code, found(&report)), (1, vec![("suspension".to_owned(), s3uid.clone())]), "{report:#}");
    world
        .sql(&format!(
            "INSERT INTO provisioner.answered_commands (principal, message_id, action, fingerprint, received_at)
             VALUES ('admin', gen_random_uuid(), 'create_bucket', '', now());
             INSERT INTO provisioner.intents
             SELECT 'account/{s3uid}', principal, message_id, 1, now() + interval '1 day', '{{}}', '{{}}', now()
             FROM provisioner.answered_commands WHERE answered_at IS NULL"
        ))
        .await;
    let (code, report) = reconcile(&world, &s3uid, &["suspension"]).await;
    assert_eq!((code, &report["skipped"], found(&report)), (0, &json!(1), vec![]), "{report:#}");
    let user = admin.user(&s3uid.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(user.access, Some(Access::Suspended), "nobody touched it");
}

/// Ends the process and starts another, which begins to compare at once.
///
/// Not a longer wait: a whole walk goes through all users of the shared radosgw, of whom other tests leave many.
async fn compare_anew(world: &mut World) {
    world.processes.pop().unwrap().stop().await.unwrap();
    let variables = [
        ("PURSER__PROVISIONER__RECONCILE_INTERVAL_SECONDS", "1"),
        ("PURSER__LOCATIONS__US__RGW_URL", "http://127.0.0.1:1"),
    ];
    world.processes.push(world.deployment.spawn("all", &variables).await.unwrap());
}

/// How often it was told of the account's quota.
async fn told(world: &World, s3uid: &str, event: &str) -> String {
    let about = format!("event = 'drift.{event}' AND subject = 'account/{s3uid}' AND data->>'kind' = 'quota'");
    world.sql(&format!("SELECT count(*) FROM history.entries WHERE {about}")).await
}

#[tokio::test]
async fn the_background_tells_once_what_is_new_and_what_is_over() {
    let mut world = World::start().await;
    let (s3uid, _) = order(&world).await;
    let (admin, uid) = (admin_store(&world), s3uid.parse::<S3Uid>().unwrap());
    admin.set_user_quota(&uid, ByteCount::from_bytes(4_096)).await.unwrap();
    compare_anew(&mut world).await;
    wait_until(LIMIT, "the drift is told", async || told(&world, &s3uid, "detected").await == "1").await;
    let metrics = async || {
        let answer = reqwest::get(format!("{}/metrics", world.deployment.gateway_url())).await;
        answer.unwrap().text().await.unwrap()
    };
    let line = "purser_drifts{location=\"NL\",kind=\"quota\"} 1";
    wait_until(LIMIT, "it is counted", async || metrics().await.lines().any(|shown| shown == line)).await;

    let seen = async |world: &World| {
        world.sql(&format!("SELECT last_seen_at FROM provisioner.drifts WHERE s3uid = '{s3uid}'")).await
    };
    let first = seen(&world).await;
    compare_anew(&mut world).await;
    wait_until(LIMIT, "it is seen again", async || seen(&world).await != first).await;
    assert_eq!(told(&world, &s3uid, "detected").await, "1");
    assert_eq!(told(&world, &s3uid, "resolved").await, "0");

    admin.set_user_quota(&uid, ByteCount::from_gb(100)).await.unwrap();
    compare_anew(&mut world).await;
    wait_until(LIMIT, "its end is told", async || told(&world, &s3uid, "resolved").await == "1").await;
    assert_eq!(seen(&world).await, "");
    assert_eq!(told(&world, &s3uid, "detected").await, "1");
}
