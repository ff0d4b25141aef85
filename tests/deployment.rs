//! The ground that the other end-to-end tests stand on: a whole Purser per test, started, stopped and removed.

use std::time::Duration;

use messages::Encoding;
use serde_json::json;
use test_support::database;
use test_support::services::Services;
use test_support::world::{World, wait_until};

#[tokio::test]
async fn a_world_answers_over_http_and_amqp() {
    let world = World::start().await;
    let (status, over_http) = world.http("list_plans", json!({})).await;
    assert_eq!((status, &over_http["result"]), (200, &json!("OK")), "{over_http}");
    let frontend = world.frontend().await;
    for encoding in [Encoding::MessagePack, Encoding::Json] {
        let over_amqp = frontend.call("list_plans", json!({}), encoding, None).await.expect("a reply");
        assert_eq!(over_amqp, over_http, "the very same object");
    }
}

#[tokio::test]
async fn a_killed_process_can_be_replaced_and_a_paused_one_goes_on() {
    let mut world = World::start_with(test_support::deployment::Settings::default(), &["billing", "gateway"]).await;
    let (billing, gateway) = world.processes.split_at_mut(1);
    gateway[0].pause().expect("a running process");
    gateway[0].resume().expect("a paused process");
    billing[0].kill().expect("a running process");
    billing[0] = world.deployment.spawn("billing", &[]).await.expect("another one");
    let (status, plans) = world.http("list_plans", json!({})).await;
    assert_eq!(status, 200, "{plans}");
    for process in &mut world.processes {
        assert!(process.stop().await.expect("it ends").success(), "{}", process.log());
    }
}

#[tokio::test]
async fn nothing_of_a_world_is_left_when_it_is_dropped() {
    let world = World::start_with(test_support::deployment::Settings::default(), &[]).await;
    let (name, management) = (world.deployment.name().to_owned(), world.management());
    let partitions = world.sql("SELECT count(*) > 0 FROM billing.plans").await;
    assert_eq!(partitions, "t", "the seeds are there");
    drop(world);
    let services = Services::load().expect("running services");
    let found = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    assert_eq!(database::psql(&services, "postgres", &found).expect("a count"), "0");
    wait_until(Duration::from_secs(20), "the virtual host to go", async || management.queues(&name).await.is_err())
        .await;
}
