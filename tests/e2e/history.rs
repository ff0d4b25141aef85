//! The history as operators have it: listed, published once more, and one command's way through the roles.

use chrono::TimeDelta;
use model::{Clock, PlainTime, SystemClock};
use serde_json::{Value, json};
use test_support::world::{World, wait_until};
use uuid::Uuid;

use crate::{LIMIT, order, text};

/// An exchange of the operator's own with a queue that takes everything, or what has this routing key.
async fn own_exchange(world: &World, name: &str, routing_key: &str) {
    let definitions = json!({
        "exchanges": [{ "name": name, "type": "topic", "durable": true, "auto_delete": false, "arguments": {} }],
        "queues": [{ "name": name, "durable": true, "auto_delete": false, "arguments": {} }],
        "bindings": [{
            "source": name, "destination": name, "destination_type": "queue", "routing_key": routing_key, "arguments": {},
        }],
    });
    world.management().import_definitions(world.deployment.name(), &definitions).await.unwrap();
}

/// What a replay of a time says, and what it put into the queue of its exchange.
async fn replay(world: &World, (from, until): (&str, &str), to: &str) -> (Value, Vec<Value>) {
    let arguments = ["history", "replay", "--from", from, "--until", until, "--to", to, "--json"];
    let printed = world.deployment.purser_ok(&arguments).await.unwrap();
    let messages = world.management().take(world.deployment.name(), to, 1000).await.unwrap();
    (serde_json::from_str(&printed).unwrap(), messages)
}

async fn entries(world: &World, filter: &[&str]) -> Vec<Value> {
    let printed = world.deployment.purser_ok(&[&["history", "list", "--json"], filter].concat()).await.unwrap();
    serde_json::from_str(&printed).unwrap()
}

#[tokio::test]
async fn events_are_published_once_more_to_whoever_asks() {
    let world = World::start().await;
    let before = PlainTime(SystemClock.now() - TimeDelta::seconds(1)).to_string();
    let (s3uid, _) = order(&world).await;
    own_exchange(&world, "audit", "#").await;
    own_exchange(&world, "orders-only", "order.placed").await;
    // Times are whole seconds: what has just happened lies before the next one.
    let after = PlainTime(SystemClock.now() + TimeDelta::seconds(1)).to_string();
    wait_until(LIMIT, "that second is over", async || PlainTime(SystemClock.now()).to_string() > after).await;
    let list = entries(&world, &["--from", &before, "--until", &after]).await;
    let time = (before.as_str(), after.as_str());
    let of_account = |list: &[Value]| {
        let mut events: Vec<_> = list
            .iter()
            .filter(|entry| entry["subject"] == format!("account/{s3uid}"))
            .map(|entry| text(&entry["event_id"]))
            .collect();
        events.sort();
        events
    };
    assert!(of_account(&list).len() >= 3, "{list:?}");
    wait_until(LIMIT, "all entries are in the stream", async || {
        let (told, messages) = replay(&world, time, "audit").await;
        assert_eq!(told["published"], messages.len());
        messages.len() >= list.len()
    })
    .await;

    let (told, messages) = replay(&world, time, "audit").await;
    assert_eq!(told, json!({ "published": list.len(), "unrouted": 0 }));
    let header = |message: &Value, name: &str| text(&message["properties"]["headers"][name]);
    let mut replayed: Vec<_> = messages.iter().map(|message| header(message, "ce-id")).collect();
    let mut recorded: Vec<_> = list.iter().map(|entry| text(&entry["event_id"])).collect();
    replayed.sort();
    recorded.sort();
    assert_eq!(replayed, recorded);
    let of_order = messages.iter().find(|message| message["routing_key"] == "account.provisioned").unwrap();
    assert_eq!(header(of_order, "ce-type"), "account.provisioned");
    assert!(of_order["properties"]["headers"]["x-replayed-offset"].is_i64(), "{of_order}");
    assert_eq!(of_order["properties"]["headers"]["x-stream-offset"], Value::Null);

    let (told, messages) = replay(&world, time, "orders-only").await;
    assert_eq!((messages.len(), &told["published"]), (1, &json!(1)));
    assert_eq!(told["unrouted"], list.len() - 1);
    let later = PlainTime(SystemClock.now() + TimeDelta::seconds(1)).to_string();
    let refused = world.deployment.purser(&["history", "replay", "--from", &later, "--to", "audit"]).await.unwrap();
    assert_eq!(refused.status.code(), Some(1), "nothing happened in the future");
}

#[tokio::test]
async fn events_are_not_replayed_where_roles_would_take_them_for_new() {
    let world = World::start_with(test_support::deployment::Settings::default(), &[]).await;
    for (exchange, words) in [("s3.events", "Purser's"), ("amq.topic", "the broker's"), ("", "must be an exchange")] {
        let arguments = ["history", "replay", "--from", "2026-01-01", "--to", exchange];
        let output = world.deployment.purser(&arguments).await.unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && error.contains(words), "{exchange}: {error}");
    }
}

#[tokio::test]
async fn the_history_is_listed_by_what_is_asked_for() {
    let world = World::start().await;
    let (s3uid, bucket) = order(&world).await;
    let created = entries(&world, &["--account", &s3uid, "--event", "bucket.created"]).await;
    assert_eq!(created.len(), 1);
    assert_eq!(created[0]["data"]["bucket_name"], bucket, "{created:?}");
    assert_eq!(entries(&world, &["--account", &s3uid, "--event", "bucket."]).await, created);
    assert_eq!(entries(&world, &["--account", &s3uid, "--event", "bucket"]).await, Vec::<Value>::new());
    assert_eq!(entries(&world, &["--account", &s3uid, "--until", "2020-01-01"]).await, Vec::<Value>::new());
    assert_eq!(entries(&world, &["--subject", "plan/1", "--limit", "1"]).await.len(), 1);
    let words = world.deployment.purser_ok(&["history", "list", "--account", &s3uid]).await.unwrap();
    assert!(words.lines().count() >= 4 && words.contains("bucket.created"), "{words}");
}

#[tokio::test]
async fn a_command_is_followed_through_the_roles() {
    let world = World::start().await;
    let (id, traceparent) = (Uuid::now_v7(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let bucket = world.bucket_name("traced");
    let ordered = |key: Uuid, traceparent: Option<&str>, bucket: &str| {
        let mut request = reqwest::Client::new()
            .post(format!("{}/s3.php", world.deployment.gateway_url()))
            .header("Idempotency-Key", key.to_string())
            .form(&[
                ("action", "create_order"),
                ("token", &world.customer_token),
                ("plan_id", "1"),
                ("bucket_name", bucket),
            ]);
        if let Some(traceparent) = traceparent {
            request = request.header("traceparent", traceparent);
        }
        request.send()
    };
    assert_eq!(ordered(id, Some(traceparent), &bucket).await.unwrap().status(), 200);
    let way = |id: String| {
        let world = &world;
        async move {
            let printed = world.deployment.purser_ok(&["trace", &id, "--json"]).await.unwrap();
            serde_json::from_str::<Value>(&printed).unwrap()
        }
    };
    let by_command = way(id.to_string()).await;
    assert_eq!(by_command["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    let steps: Vec<_> = by_command["way"].as_array().unwrap().iter().map(step_in_words).collect();
    for step in [
        "billing taken create_order",
        "billing recorded order.placed",
        "provisioner taken provision_account",
        "provisioner recorded account.provisioned",
        "provisioner recorded bucket.created",
        "provisioner answered provision_account",
        "billing recorded service.started",
        "billing answered create_order",
    ] {
        assert!(steps.contains(&step.to_owned()), "{step} is not among {steps:?}");
    }
    assert_eq!(steps[0], "billing taken create_order");
    assert_eq!(way(traceparent.to_owned()).await, by_command);
    assert_eq!(way("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()).await, by_command);

    // Refused, and without a context of the caller's: the command's id is the trace's.
    let id = Uuid::now_v7();
    let reply: Value = ordered(id, None, &bucket).await.unwrap().json().await.unwrap();
    let refused = way(id.to_string()).await;
    assert_eq!(refused["trace_id"], id.simple().to_string());
    let last = refused["way"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["detail"], format!("refused: {}", text(&reply["message"])), "{refused}");

    let unknown = world.deployment.purser(&["trace", &Uuid::new_v4().to_string()]).await.unwrap();
    assert_eq!(unknown.status.code(), Some(1));
    let nonsense = world.deployment.purser(&["trace", "nonsense"]).await.unwrap();
    assert!(String::from_utf8_lossy(&nonsense.stderr).contains("must be a UUID"));
}

fn step_in_words(step: &Value) -> String {
    format!("{} {} {}", text(&step["role"]), text(&step["step"]), text(&step["name"]))
}
