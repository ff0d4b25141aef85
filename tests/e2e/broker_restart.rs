//! The broker goes away under load and comes back: no confirmed command is lost.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use test_support::deployment::Settings;
use test_support::orders;
use test_support::services::{Progress, Service, Services, Stack};
use test_support::world::World;

const COMMANDS: usize = 120;
const RESTART_LIMIT: Duration = Duration::from_mins(3);

/// A broker of its own, so that no other test loses its connection; the shared database and store.
pub(crate) async fn own_broker(dir: &Path) -> Services {
    let own = start_broker(dir).await;
    let shared = Services::load().unwrap();
    Services {
        amqp_host: own.amqp_host,
        amqp_port: own.amqp_port,
        rabbitmq_admin_user: own.rabbitmq_admin_user,
        rabbitmq_admin_password: own.rabbitmq_admin_password,
        rabbitmq_api_url: own.rabbitmq_api_url,
        ..shared
    }
}

async fn start_broker(dir: &Path) -> Services {
    let dir = dir.to_owned();
    let start = move || Stack::at(&dir)?.up_some(&[Service::RabbitMq], &Progress::silent());
    tokio::task::spawn_blocking(start).await.unwrap().unwrap()
}

pub(crate) async fn stop_broker(dir: &Path) {
    let dir = dir.to_owned();
    let stop = move || Stack::at(&dir)?.down(&Progress::silent());
    tokio::task::spawn_blocking(stop).await.unwrap().unwrap();
}

#[tokio::test]
async fn restarting_the_broker_under_load_loses_no_confirmed_command() {
    let dir = tempfile::tempdir().unwrap();
    let services = own_broker(dir.path()).await;
    let world =
        World::start_on(&services, Settings::default(), &["provisioner", "metering", "billing", "gateway"]).await;
    let php = world.frontend().await;

    let publish = orders::publish(&world, &php, COMMANDS);
    let restart = async {
        orders::wait_until_begun(&world, 10, RESTART_LIMIT).await;
        stop_broker(dir.path()).await;
        start_broker(dir.path()).await;
    };
    let (confirmed, ()) = tokio::join!(publish, restart);
    assert_eq!(confirmed.len(), COMMANDS);

    orders::assert_each_completed_once(&world, &confirmed, RESTART_LIMIT).await;
    let (status, plans) = world.http("list_plans", json!({})).await;
    assert_eq!(status, 200, "the gateway is connected again: {plans}");
    drop(world);
    stop_broker(dir.path()).await;
}
