//! The main job with everything in containers.

use bytes::Bytes;
use messages::Encoding;
use object_store::ceph::{CephConfig, CephStore};
use object_store::{ObjectStore, S3Keys};
use serde_json::{Value, json};
use test_support::deployment::Settings;
use test_support::world::{World, wait_until};

use crate::container::Site;
use crate::{LIMIT, run};

#[test]
#[ignore = "run by in_containers"]
fn an_account_is_ordered_filled_metered_and_invoiced() {
    run(async {
        let mut site = Site::new();
        let (_rabbitmq, _postgres, _ceph) =
            (site.add_rabbitmq().await, site.add_postgres().await, site.add_ceph().await);
        // Nothing is read again within the test: what shows was told by radosgw, over the containers' own network.
        let settings = Settings { has_notifications: true, sweep_interval_seconds: 3600, ..Settings::default() };
        let world = World::start_on(&site.services, settings, &["gateway", "provisioner", "metering", "billing"]).await;
        let php = world.frontend().await;
        let call = async |action, parameters| php.call(action, parameters, Encoding::MessagePack, None).await.unwrap();

        let bucket = world.bucket_name("first");
        let ordered = call("create_order", json!({"plan_id": 1, "bucket_name": bucket})).await;
        assert_eq!(ordered["result"], "OK", "{ordered}");
        let s3uid = ordered["s3uid"].clone();
        let account = call("get_buckets_rmq", json!({"s3uid": s3uid})).await;
        let (store, keys) = customer_store(&world, &account);
        store.put_object(&keys, &bucket.parse().unwrap(), "a.bin", Bytes::from(vec![1; 1_500_000])).await.unwrap();

        wait_until(LIMIT, "what was sent shows", async || {
            let account = call("get_buckets_rmq", json!({"s3uid": s3uid})).await;
            account["usage_storage_bytes"] == 1_500_000
                && account["metering"]["traffic_in_bytes"].as_u64() >= Some(1_500_000)
        })
        .await;
        let invoiced = "SELECT count(*) FROM billing.documents";
        wait_until(LIMIT, "the invoice", async || world.sql(invoiced).await == "1").await;
        let checked = world.deployment.purser_ok(&["doctor"]).await.unwrap();
        assert!(!checked.is_empty());
    });
}

/// A store as any S3 client has it: the endpoint and the account's own keys.
fn customer_store(world: &World, account: &Value) -> (CephStore, S3Keys) {
    let text = |name: &str| account[name].as_str().unwrap_or_else(|| panic!("{name} in {account}")).to_owned();
    let store = CephStore::new(CephConfig {
        admin_url: world.deployment.services().rgw_url.parse().unwrap(),
        s3_url: format!("http://{}", text("endpoint")).parse().unwrap(),
        admin_access_key: "unused".to_owned(),
        admin_secret_key: "unused".into(),
        request_timeout: LIMIT,
    });
    (store.unwrap(), S3Keys { access_key: text("access_key"), secret_key: text("secret_key").into() })
}
