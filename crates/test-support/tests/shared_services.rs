//! The clients for the shared broker and database, each test in a corner of its own.

use std::time::{Duration, Instant};

use serde_json::json;
use test_support::broker::{Management, Permissions};
use test_support::database;
use test_support::services::Services;
use uuid::Uuid;

fn services() -> Services {
    Services::load().expect("running services")
}

fn unique(prefix: &str) -> String {
    format!("{prefix}_{}", Uuid::new_v4().simple())
}

#[tokio::test]
async fn a_virtual_host_is_set_up_read_and_removed() {
    let broker = Management::new(&services()).expect("a client");
    let (vhost, user) = (unique("test/vhost"), unique("user"));
    broker.create_vhost(&vhost).await.expect("creates");
    broker.create_vhost(&vhost).await.expect("creating twice is no error");
    broker.put_user(&user, "secret", "").await.expect("a user");
    broker.set_permissions(&vhost, &user, Permissions::ALL).await.expect("permissions");
    let definitions = json!({
        "exchanges": [{"name": "ex", "type": "topic", "durable": true, "auto_delete": false, "arguments": {}}],
        "queues": [{"name": "q", "durable": true, "auto_delete": false, "arguments": {"x-queue-type": "quorum"}}],
        "bindings": [{"source": "ex", "destination": "q", "destination_type": "queue", "routing_key": "#", "arguments": {}}],
    });
    broker.import_definitions(&vhost, &definitions).await.expect("imports");
    broker.set_topic_permissions(&vhost, &user, "ex", "^a", ".*").await.expect("topic permissions");
    let policy = json!({"pattern": "^q$", "definition": {"max-length": 5}, "apply-to": "queues"});
    broker.put_policy(&vhost, "limit", &policy).await.expect("a policy");

    let queues = broker.queues(&vhost).await.expect("queues");
    let names: Vec<_> = queues.iter().map(|queue| (queue.name.as_str(), queue.kind.as_str())).collect();
    assert_eq!(names, [("q", "quorum")]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while broker.queue_messages(&vhost, "q").await.expect("a count") != Some(0) {
        assert!(Instant::now() < deadline, "the broker never counted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    broker.close_connections_of(&user).await.expect("nothing to close");
    broker.delete_vhost(&vhost).await.expect("deletes");
    broker.delete_vhost(&vhost).await.expect("deleting twice is no error");
    broker.delete_user(&user).await.expect("deletes");
    let error = broker.queues(&vhost).await.unwrap_err().to_string();
    assert!(error.contains("404"), "{error}");
}

#[tokio::test]
async fn a_refusal_says_what_was_asked_and_why() {
    let broker = Management::new(&services()).expect("a client");
    let error = broker.put_policy("no-such-vhost", "p", &json!({"pattern": ".*"})).await.unwrap_err().to_string();
    assert!(error.starts_with("PUT /api/policies/no-such-vhost/p on RabbitMQ's management API answered 4"), "{error}");
}

#[test]
fn a_database_is_made_used_and_dropped() {
    let services = services();
    let name = unique("test\"db");
    database::create(&services, &name).expect("creates");
    let sql = "CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'), (2, NULL); SELECT * FROM t ORDER BY a;";
    assert_eq!(database::psql(&services, &name, sql).expect("rows"), "1|x\n2|");
    let error = database::psql(&services, &name, "SELECT 1; SELECT nonsense; SELECT 2").unwrap_err().to_string();
    assert!(error.contains("nonsense") && error.contains("does not exist"), "{error}");
    database::drop(&services, &name).expect("drops");
    database::drop(&services, &name).expect("dropping twice is no error");
}
