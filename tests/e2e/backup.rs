//! A database that was restored from a backup, while RGW went on: what differs is found and told before it is put right.

use std::path::Path;

use object_store::{ListObjects, ObjectStore};
use serde_json::{Value, json};
use test_support::database;
use test_support::deployment::{ROLES, Settings};
use test_support::world::{World, wait_until};

use crate::{LIMIT, admin_store, order, store_of, text, upload};

/// Puts the database back to what it was; no worker runs meanwhile.
async fn restore(world: &World, file: &Path) {
    let (services, name) = (world.deployment.services(), world.deployment.name());
    database::drop(services, name).unwrap();
    database::create(services, name).unwrap();
    database::restore(services, name, file).unwrap();
    world.deployment.purser_ok(&["migrate"]).await.unwrap();
}

async fn stop(world: &mut World) {
    for mut process in world.processes.drain(..) {
        process.stop().await.unwrap();
    }
}

async fn reconcile(world: &World, arguments: &[&str]) -> (i32, Value) {
    let arguments = [&["reconcile", "--json", "--location", "NL"], arguments].concat();
    let output = world.deployment.purser(&arguments).await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    (output.status.code().unwrap(), report)
}

fn findings<'a>(report: &'a Value, s3uid: &str) -> impl Iterator<Item = &'a Value> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings.filter(move |finding| finding["s3uid"] == s3uid || finding["subject"] == s3uid)
}

/// Kind and subject of each finding about this account: the radosgw has others' users, too.
fn found(report: &Value, s3uid: &str) -> Vec<(String, String)> {
    findings(report, s3uid)
        .inspect(|finding| assert_eq!(finding["repaired"], false, "{finding}"))
        .map(|finding| (text(&finding["kind"]), text(&finding["subject"])))
        .collect()
}

fn note(report: &Value, s3uid: &str) -> Value {
    findings(report, s3uid).map(|finding| finding["note"].clone()).next().unwrap_or_default()
}

#[tokio::test]
async fn what_a_restored_database_has_forgotten_is_told_before_it_is_put_right() {
    let mut world = World::start_with(Settings::default(), &["billing", "gateway", "provisioner", "metering"]).await;
    let mut accounts = Vec::new();
    for _ in 0..4 {
        accounts.push(order(&world).await);
    }
    let [(same, _), (grown, grown_bucket), (changed, _), (deleted, deleted_bucket)] = accounts.try_into().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("purser.dump");
    database::back_up(world.deployment.services(), world.deployment.name(), &file).unwrap();

    // Life goes on: an account, a bucket, files, another plan, and an account less.
    let (new, new_bucket) = order(&world).await;
    let extra = world.bucket_name("extra");
    world.http("create_bucket", json!({"s3uid": grown, "bucket_name": extra})).await;
    let (store, keys) = store_of(&world, &grown).await;
    upload(&store, &keys, &extra, ["kept".to_owned()]).await;
    upload(&store, &keys, &grown_bucket, ["kept".to_owned()]).await;
    let (new_store, new_keys) = store_of(&world, &new).await;
    upload(&new_store, &new_keys, &new_bucket, ["kept".to_owned()]).await;
    world.http("change_plan", json!({"s3uid": changed, "plan_id": 2})).await;
    let (_, gone) = world.http_admin("delete_account", json!({"s3uid": deleted, "reason": "a test"})).await;
    assert_eq!(gone["result"], "OK", "{gone}");
    wait_until(LIMIT, "the quota is set", async || {
        let quota = format!("SELECT quota_bytes FROM provisioner.accounts WHERE s3uid = '{changed}'");
        world.sql(&quota).await == "500000000000"
    })
    .await;

    stop(&mut world).await;
    restore(&world, &file).await;
    let (code, report) = reconcile(&world, &[]).await;
    assert_eq!((code, found(&report, &new)), (1, vec![("user_extra".to_owned(), new.clone())]), "{report:#}");
    assert!(text(&note(&report, &new)).contains("restored"), "{report:#}");
    // Account by account, also those that have just changed. Twice: telling changes nothing.
    for _ in 0..2 {
        for (s3uid, kind, subject) in [
            (&grown, "bucket_extra", &extra),
            (&changed, "quota", &changed),
            (&deleted, "user_missing", &deleted),
            (&deleted, "bucket_missing", &deleted_bucket),
        ] {
            let (code, report) = reconcile(&world, &["--account", s3uid]).await;
            let expected = (kind.to_owned(), subject.clone());
            assert!(code == 1 && found(&report, s3uid).contains(&expected), "{expected:?}: {report:#}");
        }
        let (code, report) = reconcile(&world, &["--account", &same]).await;
        assert_eq!((code, found(&report, &same)), (0, vec![]), "{report:#}");
    }
    put_right(&world, &[&grown, &changed, &deleted], &[&extra, &new]).await;

    for role in ROLES {
        world.processes.push(world.deployment.spawn(role.as_str(), &[]).await.unwrap());
    }
    // The key of a user who is not known any more opens what it opened: nobody's data went.
    for (store, keys, bucket) in
        [(&store, &keys, &extra), (&store, &keys, &grown_bucket), (&new_store, &new_keys, &new_bucket)]
    {
        let listed = store.list_objects(keys, &ListObjects::all(bucket.parse().unwrap())).await.unwrap();
        assert_eq!(listed.objects.len(), 1, "{bucket}");
    }
    // Everything goes on, and what is new takes no number or name that was given before.
    for s3uid in [&same, &grown, &changed, &deleted] {
        let (_, account) = world.http("get_buckets_rmq", json!({"s3uid": s3uid})).await;
        assert_eq!(account["result"], "OK", "{account}");
    }
    order(&world).await;
}

/// Repairs what belongs to known accounts, which leaves alone what is told of nobody's.
async fn put_right(world: &World, s3uids: &[&String], kept: &[&String]) {
    let kinds = ["bucket_extra", "bucket_missing", "quota", "user_missing"];
    let repair: Vec<&str> = kinds.iter().flat_map(|kind| ["--repair", *kind]).collect();
    for s3uid in s3uids {
        let arguments = [&["--account", s3uid.as_str()], &repair[..]].concat();
        let (code, report) = reconcile(world, &arguments).await;
        assert_eq!(code, 0, "{report:#}");
        let (code, report) = reconcile(world, &["--account", s3uid]).await;
        assert_eq!((code, report["findings"].as_array().unwrap().len()), (0, 0), "{report:#}");
    }
    let [extra, new] = kept else { panic!("a bucket and a user") };
    let known = format!("SELECT count(*) FROM provisioner.buckets WHERE name = '{extra}' AND deleted_at IS NULL");
    assert_eq!(world.sql(&known).await, "1", "the bucket was adopted");
    let (code, report) = reconcile(world, &["--account", new]).await;
    assert_eq!((code, &report["findings"][0]["kind"]), (1, &json!("user_extra")), "{report:#}");
    assert!(admin_store(world).user(&new.parse().unwrap()).await.unwrap().is_some());
}
