//! Ceph freezes in the middle of a command.

use messages::Encoding;
use serde_json::json;
use test_support::deployment::Settings;
use test_support::world::{World, wait_until};
use uuid::Uuid;

use crate::container::Site;
use crate::{LIMIT, run};

#[test]
#[ignore = "run by in_containers"]
fn a_bucket_that_was_asked_for_while_ceph_is_frozen_is_made_once_it_goes_on() {
    run(async {
        let mut site = Site::new();
        let ceph = site.add_ceph().await;
        let world = World::start_on(&site.services, Settings::default(), &["all"]).await;
        let php = world.frontend().await;
        let order = json!({"plan_id": 1, "bucket_name": world.bucket_name("first")});
        let ordered = php.call("create_order", order, Encoding::Json, None).await.unwrap();
        let s3uid = ordered["s3uid"].clone();

        let (id, second) = (Uuid::new_v4(), world.bucket_name("second"));
        let create = json!({"s3uid": s3uid, "bucket_name": second});
        let message = php.message("create_bucket", create.clone(), Encoding::Json, Some(id)).unwrap();
        let begun = "SELECT count(*) FROM provisioner.intents";
        ceph.freeze(async {
            php.publish_raw(message).await.unwrap();
            wait_until(LIMIT, "the command is under way", async || world.sql(begun).await == "1").await;
        })
        .await;

        let reply = php.call("create_bucket", create, Encoding::Json, Some(id)).await.unwrap();
        assert_eq!(reply["result"], "OK", "{reply}");
        let made = "SELECT count(*) FROM history.entries WHERE event = 'bucket.created'";
        assert_eq!(world.sql(made).await, "2", "the account's first, and this one once");
    });
}
