//! What RabbitMQ's own tools do with parked messages; `deploy/rabbitmq/README.md` tells operators the same.

use messages::Encoding;
use serde_json::{Value, json};
use test_support::deployment::Settings;
use test_support::world::{World, wait_until};
use uuid::Uuid;

use crate::broker_restart::{own_broker, stop_broker};
use crate::parked::{Failed, list};
use crate::{LIMIT, order, text};

const PARKED: &str = "s3.provisioner.parked";
const WORK: &str = "s3.provisioner";

/// A shovel that ends when it has moved what was there.
fn shovel(uri: &str, from: &str, to: &str) -> Value {
    json!({
        "src-protocol": "amqp091", "src-uri": uri, "src-queue": from, "src-delete-after": "queue-length",
        "dest-protocol": "amqp091", "dest-uri": uri, "dest-queue": to, "dest-add-forward-headers": false,
        "ack-mode": "on-confirm",
    })
}

async fn buckets(world: &World, name: &str) -> String {
    world.sql(&format!("SELECT count(*) FROM provisioner.buckets WHERE name = '{name}'")).await
}

#[tokio::test]
async fn the_management_page_and_shovels_move_parked_messages_within_limits() {
    let dir = tempfile::tempdir().unwrap();
    // A shovel that fails fills the broker's log, and its plugin must be on.
    let services = own_broker(dir.path()).await;
    let world = World::start_on(&services, Settings::default(), &["all"]).await;
    let (management, vhost) = (world.management(), world.deployment.name().to_owned());
    let (s3uid, _) = order(&world).await;
    let bucket = world.bucket_name("moved");
    let failed = Failed::new("create_bucket", json!({"s3uid": s3uid, "bucket_name": bucket}));
    failed.park(&world).await;

    // "Get messages" shows all of it and puts it back.
    let got = management.get_messages(&vhost, PARKED, 10, "ack_requeue_true").await.unwrap();
    assert_eq!((got.len(), &got[0]["properties"]["headers"]["x-attempts"]), (1, &json!(16)));
    assert_eq!(list(&world, &[]).await[0]["id"], json!(failed.parked_id));

    // A shovel that logs in as anybody else can't publish what a role's user has signed; the message stays.
    management.put_shovel(&vhost, "as-admin", &shovel(&world.deployment.amqp_admin_url(), PARKED, WORK)).await.unwrap();
    wait_until(LIMIT, "the broker has refused it", async || {
        let log = broker_log(dir.path());
        log.contains("user_id property set to 'purser-provisioner' but authenticated user was")
    })
    .await;
    management.delete_shovel(&vhost, "as-admin").await.unwrap();
    wait_until(LIMIT, "the message is back", async || list(&world, &[]).await.len() == 1).await;
    assert_eq!(buckets(&world, &bucket).await, "0");

    // "Move messages" is a shovel inside the broker, which may publish anything: one more attempt, and nothing on record.
    management.put_shovel(&vhost, "move", &shovel(&format!("amqp:///{vhost}"), PARKED, WORK)).await.unwrap();
    wait_until(LIMIT, "the command is done", async || buckets(&world, &bucket).await == "1").await;
    assert!(list(&world, &[]).await.is_empty());
    assert_eq!(world.sql("SELECT count(*) FROM history.entries WHERE event LIKE 'message.%'").await, "0");

    // "Publish message" sends it as the administrator, who isn't trusted.
    let user = &services.rabbitmq_admin_user;
    let other = world.bucket_name("typed");
    let body = json!({"s3uid": s3uid, "bucket_name": other, "principal": {"customer_id": 1, "role": "customer"}});
    let message = json!({
        "routing_key": "create_bucket", "payload": body.to_string(), "payload_encoding": "string",
        "properties": {
            "type": "create_bucket", "content_type": Encoding::Json.content_type(), "user_id": user,
            "message_id": Uuid::new_v4().to_string(), "headers": {"x-publisher": "php-frontend"},
        },
    });
    management.publish(&vhost, "s3.commands", &message).await.unwrap();
    wait_until(LIMIT, "it is parked", async || list(&world, &["--reason", "untrusted"]).await.len() == 1).await;
    assert_eq!(list(&world, &[]).await[0]["publisher"], json!(user));
    assert_eq!(buckets(&world, &other).await, "0");

    // "Get messages" without requeue takes it away for good.
    let got = management.get_messages(&vhost, PARKED, 10, "ack_requeue_false").await.unwrap();
    assert!(got.len() == 1 && text(&got[0]["payload"]).contains(&other));
    assert!(list(&world, &[]).await.is_empty());
    drop(world);
    stop_broker(dir.path()).await;
}

/// What the private broker has logged.
fn broker_log(dir: &std::path::Path) -> String {
    let mut folders = vec![dir.to_owned()];
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "log") {
                text.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()));
            }
        }
    }
    text
}
