//! RabbitMQ freezes, or is killed, while orders come in.

use serde_json::json;
use test_support::deployment::Settings;
use test_support::orders;
use test_support::world::{World, wait_until};

use crate::container::Site;
use crate::{LIMIT, run};

const ORDERS: usize = 60;

#[test]
#[ignore = "run by in_containers"]
fn a_killed_broker_has_lost_no_order_that_it_confirmed() {
    run(async {
        let mut site = Site::new();
        let rabbitmq = site.add_rabbitmq().await;
        let world = World::start_on(&site.services, Settings::default(), &["all"]).await;
        let php = world.frontend().await;
        let kill = async {
            orders::wait_until_begun(&world, 10, LIMIT).await;
            rabbitmq.kill().await;
            rabbitmq.start().await;
        };
        let (confirmed, ()) = tokio::join!(orders::publish(&world, &php, ORDERS), kill);
        orders::assert_each_completed_once(&world, &confirmed, LIMIT).await;
    });
}

#[test]
#[ignore = "run by in_containers"]
fn a_broker_that_freezes_is_told_of_and_goes_on_where_it_was() {
    run(async {
        let mut site = Site::new();
        let rabbitmq = site.add_rabbitmq().await;
        let settings = Settings { reply_wait_seconds: 2, ..Settings::default() };
        let world = World::start_on(&site.services, settings, &["all"]).await;
        let php = world.frontend().await;
        let freeze = async {
            orders::wait_until_begun(&world, 10, LIMIT).await;
            let (status, reply) = rabbitmq.freeze(world.http("list_plans", json!({}))).await;
            let lost = json!("the connection inside was lost; please try again");
            assert_eq!((status, &reply["message"]), (503, &lost), "{reply}");
        };
        let (confirmed, ()) = tokio::join!(orders::publish(&world, &php, ORDERS), freeze);
        orders::assert_each_completed_once(&world, &confirmed, LIMIT).await;
        wait_until(LIMIT, "the gateway answers again", async || world.http("list_plans", json!({})).await.0 == 200)
            .await;
    });
}
