//! `purser doctor` against a radosgw that is well set up, and as an administrator who isn't.

use std::collections::BTreeMap;

use model::S3Uid;
use object_store::{NewUser, ObjectStore, S3Keys};
use secrecy::ExposeSecret;
use serde_json::Value;
use test_support::deployment::Settings;
use test_support::world::World;

use crate::{admin_store, text};

/// Runs the command; returns its exit code and its checks by name.
async fn doctor(world: &World) -> (i32, BTreeMap<String, Value>) {
    let output = world.deployment.purser(&["doctor", "--json"]).await.unwrap();
    let printed: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let checks = printed["checks"].as_array().unwrap();
    (output.status.code().unwrap(), checks.iter().map(|check| (text(&check["name"]), check.clone())).collect())
}

#[tokio::test]
async fn everything_is_well_here() {
    let world = World::start_with(Settings { has_notifications: true, ..Settings::default() }, &[]).await;
    let (code, checks) = doctor(&world).await;
    assert_eq!(code, 0, "{checks:?}");
    for location in ["NL", "US"] {
        for what in ["administrator", "caps", "clock", "usage_log", "notifications"] {
            let name = format!("rgw.{location}.{what}");
            assert_eq!(checks[&name]["outcome"], "ok", "{checks:?}");
        }
    }
    for role in ["gateway", "provisioner", "metering", "billing"] {
        for name in ["broker.{}", "database.{}", "database.{}.clock", "database.{}.migrations"] {
            assert_eq!(checks[&name.replace("{}", role)]["outcome"], "ok", "{checks:?}");
        }
    }
    for name in ["broker.topology", "database.history", "keys.file", "keys.opened"] {
        assert_eq!(checks[name]["outcome"], "ok", "{checks:?}");
    }
    let printed = world.deployment.purser_ok(&["doctor"]).await.unwrap();
    assert!(printed.contains("rgw.NL.usage_log") && !printed.contains("FAILED"), "{printed}");
}

/// Gives a user of RGW caps, which Purser itself never does.
async fn add_caps(world: &World, uid: &S3Uid, caps: &str) {
    let services = world.deployment.services();
    let caps = caps.replace('=', "%3D").replace(';', "%3B").replace('*', "%2A");
    let output = tokio::process::Command::new("curl")
        .args(["-sS", "--fail-with-body", "-X", "PUT", "--aws-sigv4", "aws:amz:us-east-1:s3"])
        .args(["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"])
        .args(["--user", &format!("{}:{}", services.rgw_access_key, services.rgw_secret_key)])
        .arg(format!("{}/admin/user?caps=&uid={uid}&user-caps={caps}", services.rgw_url))
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test]
async fn an_administrator_without_enough_caps_is_told_which_are_missing() {
    let (uid, keys) = (S3Uid::random(), S3Keys::generate());
    let variables = vec![
        ("PURSER__LOCATIONS__US__ADMIN_ACCESS_KEY".to_owned(), keys.access_key.clone()),
        ("PURSER__LOCATIONS__US__ADMIN_SECRET_KEY".to_owned(), keys.secret_key.expose_secret().to_owned()),
    ];
    let world = World::start_with(Settings { variables, ..Settings::default() }, &[]).await;
    let store = admin_store(&world);
    let user = NewUser { uid: uid.clone(), display_name: "half an administrator".to_owned(), keys, max_buckets: 1 };
    store.create_user(&user).await.unwrap();

    let (code, checks) = doctor(&world).await;
    assert_eq!((code, &checks["rgw.US.administrator"]["outcome"]), (1, &Value::from("failed")), "{checks:?}");
    let remedy = text(&checks["rgw.US.administrator"]["remedy"]);
    assert!(remedy.contains("--caps=\"users=*;buckets=*;usage=*;metadata=read\""), "{remedy}");

    add_caps(&world, &uid, "users=read;usage=*").await;
    let (code, checks) = doctor(&world).await;
    let caps = &checks["rgw.US.caps"];
    assert_eq!((code, &caps["outcome"]), (1, &Value::from("failed")), "{checks:?}");
    assert_eq!(caps["seen"], "lacks users=*, buckets=*, metadata=read");
    let command = format!("`radosgw-admin caps add --uid={uid} --caps=\"users=*;buckets=*;metadata=read\"`");
    assert_eq!(text(&caps["remedy"]), command);
    for fine in ["rgw.US.administrator", "rgw.US.usage_log", "rgw.NL.caps"] {
        assert_eq!(checks[fine]["outcome"], "ok", "{checks:?}");
    }
    store.delete_user(&uid).await.unwrap();
}

#[tokio::test]
async fn what_is_wrong_around_the_roles_is_told_with_its_remedy() {
    let variables =
        vec![("PURSER__METERING__AMQP_URL".to_owned(), "amqp://purser-metering:x@127.0.0.1:1/x".to_owned())];
    let world = World::start_with(Settings { variables, ..Settings::default() }, &[]).await;
    world
        .sql("DELETE FROM billing._sqlx_migrations WHERE version = (SELECT max(version) FROM billing._sqlx_migrations)")
        .await;
    world.sql("INSERT INTO auth._auth_migrations SELECT 9999, description, installed_on, success, checksum, execution_time
               FROM auth._auth_migrations LIMIT 1").await;
    world.sql("UPDATE provisioner._journal_migrations SET success = false WHERE version = 1").await;
    world.management().delete_queue(world.deployment.name(), "s3.billing.events").await.unwrap();
    let (code, checks) = doctor(&world).await;
    assert_eq!(code, 1);
    for (name, outcome, remedy) in [
        ("database.billing.migrations", "failed", "purser migrate"),
        ("database.provisioner.migrations", "failed", "purser migrate"),
        ("database.gateway.migrations", "warning", "replace this binary by the newer one"),
        ("broker.metering", "failed", "metering.amqp_url"),
        ("broker.billing", "failed", "purser migrate"),
        ("broker.topology", "failed", "purser topology check"),
    ] {
        let check = &checks[name];
        assert!(check["outcome"] == outcome && text(&check["remedy"]).contains(remedy), "{name}: {check}");
    }
}

#[tokio::test]
async fn a_radosgw_that_does_not_answer_is_named() {
    let variables = vec![("PURSER__LOCATIONS__US__RGW_URL".to_owned(), "http://127.0.0.1:1".to_owned())];
    let world = World::start_with(Settings { variables, ..Settings::default() }, &[]).await;
    let (code, checks) = doctor(&world).await;
    assert_eq!((code, &checks["rgw.US.administrator"]["outcome"]), (1, &Value::from("failed")), "{checks:?}");
    assert!(text(&checks["rgw.US.administrator"]["remedy"]).contains("locations.US.rgw_url"), "{checks:?}");
    assert_eq!(checks["rgw.NL.usage_log"]["outcome"], "ok", "{checks:?}");
}
