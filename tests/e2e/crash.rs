//! Killed, frozen, overtaken: the same work is finished once.

use messages::Encoding;
use serde_json::json;
use test_support::deployment::Settings;
use test_support::proxy::HoldingProxy;
use test_support::world::{World, wait_until};
use uuid::Uuid;

use crate::{LIMIT, order, text};

/// A world whose provisioner reaches RGW through a proxy that can hold answers back.
async fn world_behind_proxy() -> (World, HoldingProxy) {
    let mut world = World::start_with(Settings::default(), &["billing", "metering", "gateway"]).await;
    let proxy = HoldingProxy::to(&world.deployment.services().rgw_url).await.unwrap();
    let provisioner =
        world.deployment.spawn("provisioner", &[("PURSER__LOCATIONS__NL__RGW_URL", &proxy.url())]).await.unwrap();
    world.processes.push(provisioner);
    (world, proxy)
}

/// How many RGW users there are whose uid is this one, and how many keys they have.
async fn rgw_keys(world: &World, s3uid: &str) -> usize {
    use object_store::ObjectStore;
    use object_store::ceph::{CephConfig, CephStore};
    let services = world.deployment.services();
    let store = CephStore::new(CephConfig {
        admin_url: services.rgw_url.parse().unwrap(),
        s3_url: services.rgw_url.parse().unwrap(),
        admin_access_key: services.rgw_access_key.clone(),
        admin_secret_key: services.rgw_secret_key.clone().into(),
        request_timeout: LIMIT,
    })
    .unwrap();
    store.user(&s3uid.parse().unwrap()).await.unwrap().map_or(0, |user| user.access_keys.len())
}

async fn count(world: &World, what: &str) -> String {
    world.sql(&format!("SELECT count(*) FROM {what}")).await
}

#[tokio::test]
async fn a_provisioner_killed_between_rgw_and_the_commit_ends_with_one_of_everything() {
    let (mut world, proxy) = world_behind_proxy().await;
    // RGW makes the user; the provisioner never reads that it did.
    proxy.hold(Some("/admin/user?"));
    let php = world.frontend().await;
    let bucket = world.bucket_name("crash");
    let id = Uuid::new_v4();
    let parameters = json!({"plan_id": 1, "bucket_name": bucket});
    let call = php.call("create_order", parameters.clone(), Encoding::MessagePack, Some(id));
    let kill = async {
        wait_until(LIMIT, "RGW's answer is held back", async || proxy.held() > 0).await;
        world.processes.pop().unwrap().kill().unwrap();
        let s3uid = world.sql("SELECT s3uid FROM billing.orders").await;
        assert_eq!(rgw_keys(&world, &s3uid).await, 1, "the user exists on RGW");
        assert_eq!(count(&world, "provisioner.accounts").await, "0", "and isn't committed");
        world.deployment.spawn("provisioner", &[]).await.unwrap()
    };
    let (reply, provisioner) = tokio::join!(call, kill);
    world.processes.push(provisioner);
    let reply = reply.unwrap();
    let s3uid = text(&reply["s3uid"]);

    let again = php.call("create_order", parameters, Encoding::MessagePack, Some(id)).await.unwrap();
    assert_eq!(again, reply, "one reply");
    assert_eq!(rgw_keys(&world, &s3uid).await, 1, "one user with one key");
    for what in ["provisioner.accounts", "billing.orders", "billing.services", "provisioner.buckets"] {
        assert_eq!(count(&world, what).await, "1", "{what}");
    }
    assert_eq!(count(&world, "history.entries WHERE event = 'account.provisioned'").await, "1");
    assert_eq!(count(&world, "provisioner.intents").await, "0");
    let (_, account) = world.http("get_buckets_rmq", json!({"s3uid": s3uid})).await;
    assert_eq!(account["message"][0]["name"], json!(bucket), "the keys that were sealed before the crash are RGW's");
}

#[tokio::test]
async fn a_provisioner_frozen_while_another_takes_over_changes_nothing_when_it_wakes() {
    let (mut world, proxy) = world_behind_proxy().await;
    let (s3uid, _) = order(&world).await;
    let bucket = world.bucket_name("frozen");
    proxy.hold(Some(&format!("/{bucket}")));
    let php = world.frontend().await;
    let call = php.call("create_bucket", json!({"s3uid": s3uid, "bucket_name": bucket}), Encoding::Json, None);
    let freeze = async {
        wait_until(LIMIT, "RGW's answer is held back", async || proxy.held() > 0).await;
        let frozen = world.processes.pop().unwrap();
        frozen.pause().unwrap();
        (world.deployment.spawn("provisioner", &[]).await.unwrap(), frozen)
    };
    let (reply, (overtaker, frozen)) = tokio::join!(call, freeze);
    assert_eq!(reply.unwrap()["result"], "OK", "the other one has finished it");
    let state = async || {
        world
            .sql(&format!(
                "SELECT (SELECT count(*) FROM history.entries WHERE source = '/purser/provisioner'),
                 (SELECT count(*) FROM provisioner.buckets WHERE s3uid = '{s3uid}'),
                 (SELECT string_agg(reply, '' ORDER BY message_id) FROM provisioner.answered_commands)"
            ))
            .await
    };
    let before = state().await;
    // It wakes with RGW's answer at hand, as if it had only been slow; on a busy machine its call may have timed out.
    proxy.hold(None);
    frozen.resume().unwrap();
    wait_until(LIMIT, "the woken one notices that it was overtaken", async || {
        frozen.log().contains("was overtaken") || frozen.log().contains("operation timeout")
    })
    .await;
    assert_eq!(state().await, before);
    assert_eq!(
        count(&world, "history.entries WHERE event = 'bucket.created' AND data->>'bucket_name' LIKE 'frozen-%'").await,
        "1"
    );
    world.processes.extend([overtaker, frozen]);
}

#[tokio::test]
async fn two_commands_of_one_account_wait_for_each_other() {
    let world = World::start_with(Settings::default(), &["all", "provisioner"]).await;
    let (s3uid, _) = order(&world).await;
    let php = world.frontend().await;
    let names: Vec<String> = (0..8).map(|_| world.bucket_name("many")).collect();
    let calls = names.iter().map(|name| {
        php.call("create_bucket", json!({"s3uid": s3uid, "bucket_name": name}), Encoding::MessagePack, None)
    });
    for reply in futures_util::future::try_join_all(calls).await.unwrap() {
        assert_eq!(reply["result"], "OK", "{reply}");
    }
    let made = count(&world, "provisioner.buckets WHERE name LIKE 'many-%'").await;
    assert_eq!(made, "8");
}
