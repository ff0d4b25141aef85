//! PostgreSQL is killed while orders come in.

use serde_json::json;
use test_support::deployment::Settings;
use test_support::orders;
use test_support::world::{World, wait_until};

use crate::container::Site;
use crate::{LIMIT, run};

const ORDERS: usize = 60;

#[test]
#[ignore = "run by in_containers"]
fn a_killed_database_has_lost_nothing_and_nothing_is_done_twice() {
    run(async {
        let mut site = Site::new();
        let postgres = site.add_postgres().await;
        let settings = Settings { reply_wait_seconds: 2, ..Settings::default() };
        let world = World::start_on(&site.services, settings, &["all"]).await;
        let php = world.frontend().await;
        let kill = async {
            orders::wait_until_begun(&world, 10, LIMIT).await;
            postgres.kill().await;
            let (status, reply) = world.http("list_plans", json!({})).await;
            assert!((500..600).contains(&status) && reply["message"].is_string(), "{status} {reply}");
            postgres.start().await;
            site.wait_for_postgres().await;
        };
        let (confirmed, ()) = tokio::join!(orders::publish(&world, &php, ORDERS), kill);
        orders::assert_each_completed_once(&world, &confirmed, LIMIT).await;
        wait_until(LIMIT, "the gateway answers again", async || world.http("list_plans", json!({})).await.0 == 200)
            .await;
    });
}
