//! Messages that were set aside: an operator sees them, gives them back or throws them away, and all of it is on record.

use std::collections::BTreeMap;

use bus::{HeaderValue, Message};
use chrono::TimeDelta;
use messages::Encoding;
use model::{Clock, SystemClock};
use serde_json::{Value, json};
use test_support::deployment::Settings;
use test_support::world::{World, wait_until};
use uuid::Uuid;

use crate::{LIMIT, events, order, text};

/// A command as the provisioner sets it aside after its last failure.
pub(crate) struct Failed {
    pub(crate) parked_id: Uuid,
    pub(crate) message_id: Uuid,
    pub(crate) action: &'static str,
    pub(crate) parameters: Value,
    pub(crate) failing_for: TimeDelta,
    pub(crate) reply_to: Option<String>,
}

impl Failed {
    pub(crate) fn new(action: &'static str, parameters: Value) -> Self {
        Self {
            parked_id: Uuid::now_v7(),
            message_id: Uuid::new_v4(),
            action,
            parameters,
            failing_for: TimeDelta::hours(2),
            reply_to: None,
        }
    }

    /// Puts it among the parked messages as the provisioner does, which otherwise takes two hours.
    pub(crate) async fn park(&self, world: &World) {
        let ago = |age: TimeDelta| (SystemClock.now() - age).to_rfc3339();
        let texts = [
            ("x-parked-id", self.parked_id.to_string()),
            ("x-parked-reason", "out-of-attempts".to_owned()),
            ("x-parked-detail", "RGW is away".to_owned()),
            ("x-parked-at", ago(TimeDelta::minutes(30))),
            ("x-source-queue", "s3.provisioner".to_owned()),
            ("x-publisher", "php-frontend".to_owned()),
            ("x-first-error", "RGW is slow".to_owned()),
            ("x-first-failed-at", ago(self.failing_for)),
            ("x-last-error", "RGW is away".to_owned()),
            ("x-last-failed-at", ago(TimeDelta::minutes(30))),
            ("tracestate", "a=b".to_owned()),
        ];
        let mut headers: BTreeMap<String, HeaderValue> =
            texts.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        headers.insert("x-attempts".to_owned(), HeaderValue::Integer(16));
        let role = world.amqp("purser-provisioner").await;
        let message =
            role.message(self.action, self.parameters.clone(), Encoding::Json, Some(self.message_id)).unwrap();
        let message = Message {
            exchange: "s3.parked".to_owned(),
            routing_key: "provisioner".to_owned(),
            reply_to: self.reply_to.clone(),
            headers,
            ..message
        };
        role.publish_raw(message).await.unwrap();
        role.close().await;
    }
}

/// What `purser parked list` shows.
pub(crate) async fn list(world: &World, filters: &[&str]) -> Vec<Value> {
    let printed = world.deployment.purser_ok(&[&["parked", "list", "--json"], filters].concat()).await.unwrap();
    serde_json::from_str(&printed).unwrap()
}

/// `purser parked …`: its exit code, and what it printed.
async fn parked(world: &World, arguments: &[&str]) -> (i32, String) {
    let output = world.deployment.purser(&[&["parked"], arguments].concat()).await.unwrap();
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), printed)
}

fn ids(messages: &[Value]) -> Vec<String> {
    messages.iter().map(|message| text(&message["id"])).collect()
}

/// Waits until this many messages are parked anywhere, and returns them.
async fn wait_for_parked(world: &World, count: usize) -> Vec<Value> {
    let what = format!("{count} parked messages");
    wait_until(LIMIT, &what, async || list(world, &[]).await.len() == count).await;
    list(world, &[]).await
}

#[tokio::test]
async fn what_was_set_aside_is_listed_by_what_is_known_of_it_and_shown_without_secrets() {
    let world = World::start().await;
    let (s3uid, _) = order(&world).await;
    let php = world.frontend().await;
    let stray = json!({"s3uid": s3uid, "bucket_name": "ab", "token": world.customer_token});
    // Without an id, and with nobody who could be told.
    let refused = php.message("create_bucket", stray, Encoding::MessagePack, None).unwrap();
    let unreadable = Message {
        message_type: Some("create_order".to_owned()),
        ..Message::new("s3.commands", "create_order", vec![0xc1])
    };
    php.publish_raw(refused).await.unwrap();
    php.publish_raw(unreadable).await.unwrap();
    let all = wait_for_parked(&world, 2).await;

    for (filters, found) in [
        (vec!["--reason", "refused-unheard"], 1),
        (vec!["--reason", "undecodable"], 1),
        (vec!["--reason", "untrusted"], 0),
        (vec!["--role", "billing"], 1),
        (vec!["--queue", "s3.provisioner"], 1),
        (vec!["--action", "create_bucket"], 1),
        (vec!["--account", &s3uid], 1),
        (vec!["--younger-than", "1h"], 2),
        (vec!["--older-than", "1h"], 0),
        (vec!["--role", "billing", "--action", "create_bucket"], 0),
    ] {
        assert_eq!(list(&world, &filters).await.len(), found, "{filters:?}");
    }
    let table = parked(&world, &["list"]).await.1;
    assert!(ids(&all).iter().all(|id| table.contains(id)) && table.ends_with("2 parked\n"), "{table}");

    let id = text(&list(&world, &["--reason", "refused-unheard"]).await[0]["id"]);
    let (code, shown) = parked(&world, &["show", &id]).await;
    let shown: Value = serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{code} {error}: {shown}"));
    let expected = [
        ("action", json!("create_bucket")),
        ("account", json!(s3uid)),
        ("queue", json!("s3.provisioner")),
        ("publisher", json!("php-frontend")),
        ("message_id", Value::Null),
        ("forgotten", json!(false)),
    ];
    for (name, value) in expected {
        assert_eq!(shown[name], value, "{name}: {shown}");
    }
    assert_eq!((&shown["body"]["bucket_name"], &shown["body"]["token"]), (&json!("ab"), &json!("(hidden)")));
    assert!(text(&shown["detail"]).contains("message_id required") && shown["first_error"] == shown["last_error"]);
    assert!(!shown.to_string().contains(&world.customer_token));
    assert_eq!(list(&world, &[]).await, all, "looking changes nothing");
}

#[tokio::test]
async fn a_refused_command_is_set_aside_where_nobody_waits_for_the_reply() {
    let world = World::start().await;
    let php = world.frontend().await;
    let bucket = json!({"s3uid": Uuid::new_v4().simple().to_string(), "bucket_name": "unheard-bucket"});
    let commands = [
        ("billing", "create_order", json!({"plan_id": 99, "bucket_name": "unheard"}), "plan not found"),
        ("provisioner", "create_bucket", bucket, "account not found"),
        ("metering", "update_traffic_info", json!({}), "administrators"),
    ];
    for (_, action, parameters, _) in &commands {
        let message = php.message(action, parameters.clone(), Encoding::Json, Some(Uuid::new_v4())).unwrap();
        php.publish_raw(message).await.unwrap();
    }
    wait_for_parked(&world, commands.len()).await;
    for (role, action, _, words) in commands {
        let found = list(&world, &["--role", role, "--reason", "refused-unheard"]).await;
        assert_eq!((found.len(), &found[0]["action"]), (1, &json!(action)));
        assert!(text(&found[0]["detail"]).contains(words), "{}", found[0]);
    }
}

#[tokio::test]
async fn a_dropped_message_is_gone_and_the_history_says_why() {
    let world = World::start().await;
    let (s3uid, _) = order(&world).await;
    let failed = Failed::new("delete_bucket", json!({"s3uid": s3uid, "bucket_name": "abc"}));
    failed.park(&world).await;
    let id = failed.parked_id.to_string();
    let (code, printed) = parked(&world, &["drop", &id]).await;
    assert!(code != 0 && printed.contains("--reason"), "{printed}");
    let unknown = Uuid::new_v4().to_string();
    let (code, printed) = parked(&world, &["drop", &id, &unknown, "--reason", "the customer has left"]).await;
    assert_eq!(code, 1, "{printed}");
    assert!(
        printed.contains(&format!("{id} dropped")) && printed.contains(&format!("{unknown}: no parked")),
        "{printed}"
    );
    assert!(list(&world, &[]).await.is_empty());
    assert_eq!(events(&world, &s3uid).await.last().unwrap(), "message_dropped");
    let entry = "SELECT actor, data->>'parked_id', data->>'message_id', data->>'reason', data->>'note'
                 FROM history.entries WHERE event = 'message.dropped'";
    let message_id = failed.message_id;
    let expected = format!("operator|{id}|{message_id}|out-of-attempts|the customer has left");
    assert_eq!(world.sql(entry).await, expected);
    wait_until(LIMIT, "it is published", async || world.sql("SELECT count(*) FROM billing.outbox").await == "0").await;
}

/// A queue for replies that outlives its caller.
async fn reply_queue(world: &World) -> String {
    let name = "reply.php-frontend.parked".to_owned();
    let queue = json!({"name": name, "durable": true, "auto_delete": false, "arguments": {}});
    world.management().import_definitions(world.deployment.name(), &json!({"queues": [queue]})).await.unwrap();
    name
}

#[tokio::test]
async fn a_redriven_command_is_done_and_one_that_was_done_gets_its_saved_reply() {
    let world = World::start().await;
    let (s3uid, _) = order(&world).await;
    let reply_to = reply_queue(&world).await;
    let reply = async || {
        let took = async || {
            let took =
                world.management().get_messages(world.deployment.name(), &reply_to, 1, "ack_requeue_false").await;
            took.unwrap().pop()
        };
        let deadline = tokio::time::Instant::now() + LIMIT;
        loop {
            match took().await {
                Some(message) => return serde_json::from_str::<Value>(&text(&message["payload"])).unwrap(),
                None => assert!(tokio::time::Instant::now() < deadline, "no reply"),
            }
        }
    };
    let bucket = world.bucket_name("late");
    let mut failed = Failed::new("create_bucket", json!({"s3uid": s3uid, "bucket_name": bucket}));
    failed.reply_to = Some(reply_to.clone());
    failed.park(&world).await;
    let id = failed.parked_id.to_string();
    assert_eq!(parked(&world, &["redrive", &id]).await.0, 0);
    let first = reply().await;
    assert_eq!(first["message"]["status"], "success", "{first}");

    // The same command, set aside a second time; meanwhile its bucket has gone.
    let php = world.frontend().await;
    let delete = json!({"s3uid": s3uid, "bucket_name": bucket});
    php.call("delete_bucket", delete, Encoding::Json, None).await.unwrap();
    failed.parked_id = Uuid::now_v7();
    failed.park(&world).await;
    let id = failed.parked_id.to_string();
    assert_eq!(parked(&world, &["redrive", &id]).await.0, 0);
    assert_eq!(reply().await, first, "the saved reply");
    let events = events(&world, &s3uid).await;
    let count = |event: &str| events.iter().filter(|found| *found == event).count();
    assert_eq!((count("bucket_created"), count("bucket_deleted"), count("message_redriven")), (2, 1, 2), "{events:?}");

    let (code, printed) = parked(&world, &["redrive", &id]).await;
    assert!(code == 1 && printed.contains("no parked message"), "{printed}");
    // As after a crash before the parked message was taken away: it is there still.
    failed.park(&world).await;
    assert_eq!(parked(&world, &["redrive", &id]).await.0, 0);
    assert_eq!(reply().await, first);
    assert_eq!(world.sql("SELECT count(*) FROM history.entries WHERE event = 'message.redriven'").await, "2");
}

#[tokio::test]
async fn all_that_the_filters_leave_goes_back_in_order_and_as_it_was() {
    let mut world = World::start_with(Settings::default(), &["billing", "gateway"]).await;
    world.messages_may_stay();
    let account = |digit: &str| digit.repeat(32);
    let mut expected = Vec::new();
    // Parked in another order than that in which they failed first.
    for (minutes, owner) in [(50, "a"), (90, "a"), (70, "b"), (80, "a"), (60, "c")] {
        let bucket = format!("bucket-{minutes}");
        let mut failed = Failed::new("create_bucket", json!({"s3uid": account(owner), "bucket_name": bucket}));
        failed.failing_for = TimeDelta::minutes(minutes);
        failed.park(&world).await;
        if owner != "c" {
            expected.push((minutes, bucket, failed.message_id.to_string()));
        }
    }
    expected.sort_by_key(|(minutes, ..)| -minutes);
    let waiting = async || {
        world
            .management()
            .get_messages(world.deployment.name(), "s3.provisioner", 100, "ack_requeue_true")
            .await
            .unwrap()
    };
    let a = account("a");
    let (code, printed) = parked(&world, &["redrive", "--all", "--account", &a]).await;
    assert!(code == 0 && printed.contains("3 parked") && printed.contains("--yes"), "{printed}");
    assert!(waiting().await.is_empty(), "only listed");
    let (code, printed) = parked(&world, &["redrive", &Uuid::new_v4().to_string(), "--account", &a]).await;
    assert!(code == 2 && printed.contains("filters go with --all"), "{printed}");

    let listed = list(&world, &[]).await;
    let named: Vec<_> = listed.iter().filter(|message| message["account"] != json!(account("c"))).collect();
    let mut named: Vec<_> = named.iter().map(|message| text(&message["id"])).collect();
    named.reverse();
    let arguments = [&["redrive"], &named.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat();
    assert_eq!(parked(&world, &arguments).await.0, 0);

    let messages = waiting().await;
    let found: Vec<_> = messages.iter().map(|message| text(&message["properties"]["message_id"])).collect();
    let ids: Vec<_> = expected.iter().map(|(.., id)| id.clone()).collect();
    assert_eq!(found, ids, "by their first failure, whatever the order of the arguments");
    for (message, (_, bucket, _)) in messages.iter().zip(&expected) {
        let (properties, headers) = (&message["properties"], &message["properties"]["headers"]);
        let body: Value = serde_json::from_str(&text(&message["payload"])).unwrap();
        assert_eq!(body["bucket_name"], json!(bucket));
        assert_eq!(
            (&properties["user_id"], &properties["type"]),
            (&json!("purser-provisioner"), &json!("create_bucket"))
        );
        assert_eq!((&headers["x-publisher"], &headers["tracestate"]), (&json!("php-frontend"), &json!("a=b")));
        assert_eq!((&headers["x-attempts"], &headers["x-first-error"]), (&json!(0), &json!("RGW is slow")));
        let left: Vec<_> = headers.as_object().unwrap().keys().collect();
        assert!(!left.iter().any(|name| name.starts_with("x-parked") || *name == "x-source-queue"), "{left:?}");
    }
    let (code, _) = parked(&world, &["redrive", "--all", "--yes"]).await;
    assert_eq!((code, waiting().await.len(), list(&world, &[]).await.len()), (0, 5, 0));
}

#[tokio::test]
async fn what_the_broker_set_aside_itself_has_an_id_and_goes_back_too() {
    let mut world = World::start_with(Settings::default(), &["billing", "gateway"]).await;
    world.messages_may_stay();
    let php = world.frontend().await;
    let command = json!({"s3uid": "a".repeat(32), "bucket_name": "abc"});
    let command = php.message("create_bucket", command, Encoding::MessagePack, Some(Uuid::new_v4())).unwrap();
    php.publish_raw(command.clone()).await.unwrap();
    let (management, vhost) = (world.management(), world.deployment.name().to_owned());
    // As if it killed each process that took it.
    wait_until(LIMIT, "the broker has enough of it", async || {
        management.get_messages(&vhost, "s3.provisioner", 1, "reject_requeue_true").await.unwrap().is_empty()
    })
    .await;
    let found = wait_for_parked(&world, 1).await;
    assert_eq!((found.len(), &found[0]["reason"]), (1, &json!("delivery_limit")), "{found:?}");
    assert_eq!((&found[0]["queue"], &found[0]["publisher"]), (&json!("s3.provisioner"), &json!("php-frontend")));
    assert_eq!(list(&world, &[]).await, found, "the same id each time");
    assert_eq!(parked(&world, &["redrive", &text(&found[0]["id"])]).await.0, 0);
    let back = management.get_messages(&vhost, "s3.provisioner", 10, "ack_requeue_true").await.unwrap();
    assert_eq!((back.len(), &back[0]["properties"]["message_id"]), (1, &json!(command.message_id)));
    let headers = &back[0]["properties"]["headers"];
    assert_eq!((&headers["x-publisher"], &headers["x-death"]), (&json!("php-frontend"), &Value::Null));
    let subject = format!("message/{}", command.message_id.unwrap());
    let recorded = format!("SELECT count(*) FROM history.entries WHERE subject = '{subject}'");
    assert_eq!(world.sql(&recorded).await, "1", "under its own name: nobody has found its publisher to be trusted");
}

#[tokio::test]
async fn an_untrusted_message_stays_untrusted() {
    let settings = Settings {
        variables: vec![("PURSER__AMQP__TRUSTED_PUBLISHERS".to_owned(), "somebody-else".to_owned())],
        ..Settings::default()
    };
    let world = World::start_with(settings, &["all"]).await;
    let php = world.frontend().await;
    let parameters = json!({"plan_id": 1, "bucket_name": world.bucket_name("x")});
    let mut message = php.message("create_order", parameters, Encoding::Json, Some(Uuid::new_v4())).unwrap();
    message.headers.insert("x-publisher".to_owned(), "purser-billing".into());
    php.publish_raw(message).await.unwrap();
    let first = wait_for_parked(&world, 1).await;
    assert_eq!((&first[0]["reason"], &first[0]["publisher"]), (&json!("untrusted"), &json!("php-frontend")));
    assert_eq!(parked(&world, &["redrive", &text(&first[0]["id"])]).await.0, 0);
    wait_until(LIMIT, "it is parked again", async || {
        let now = list(&world, &[]).await;
        now.len() == 1 && now[0]["id"] != first[0]["id"]
    })
    .await;
    let second = list(&world, &[]).await;
    assert_eq!((&second[0]["reason"], &second[0]["publisher"]), (&json!("untrusted"), &json!("php-frontend")));
    assert_eq!(second[0]["first_error"], first[0]["first_error"], "since when it is in trouble");
    assert_eq!(world.sql("SELECT count(*) FROM billing.orders").await, "0");
}

#[tokio::test]
async fn a_command_whose_answer_may_be_forgotten_is_not_redriven_unasked() {
    let mut world = World::start_with(Settings::default(), &["billing", "gateway"]).await;
    world.messages_may_stay();
    let mut failed =
        Failed::new("delete_file", json!({"s3uid": "a".repeat(32), "bucket_name": "abc", "filename": "f"}));
    failed.failing_for = TimeDelta::days(8);
    failed.park(&world).await;
    let id = failed.parked_id.to_string();
    assert_eq!(list(&world, &[]).await[0]["forgotten"], true);
    for arguments in [&["redrive", &id][..], &["redrive", "--all", "--yes"]] {
        let (code, printed) = parked(&world, arguments).await;
        assert!(code == 1 && printed.contains("it would be done again"), "{printed}");
        assert_eq!(ids(&list(&world, &[]).await), [id.as_str()]);
    }
    assert_eq!(parked(&world, &["redrive", "--forgotten", &id]).await.0, 0);
    assert!(list(&world, &[]).await.is_empty());
}
