//! Bad input gets a clear answer or is kept aside with its reason, and the queues keep moving.

use bus::Message;
use messages::Encoding;
use serde_json::{Value, json};
use test_support::world::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::{LIMIT, order};

const DUMMY_ID: &str = "5f8e9d2a-1b0c-4e3f-8a6b-5c4d3e2f1a0b";

/// After whatever happened: an ordinary command is still answered.
async fn assert_alive(world: &World) {
    order(world).await;
}

#[tokio::test]
async fn parameters_that_are_wrong_are_named_over_http_and_amqp_alike() {
    let world = World::start().await;
    let php = world.frontend().await;
    let bucket = world.bucket_name("bad");
    let inactive = std::fs::read_to_string(test_support::world::plans_file()).unwrap().replacen(
        "active = true",
        "active = false",
        1,
    );
    let file = world.deployment.dir().join("plans.toml");
    for (action, parameters, message) in [
        ("create_order", json!({"bucket_name": bucket}), "plan_id required"),
        ("create_order", json!({"plan_id": 1}), "bucket_name required"),
        ("create_order", json!({"plan_id": "one", "bucket_name": bucket}), "plan_id must be an integer, not \"one\""),
        (
            "create_order",
            json!({"plan_id": 1, "bucket_name": "Not_Valid"}),
            "Invalid bucket name: may contain only lower-case letters, digits, hyphens and dots",
        ),
        ("create_order", json!({"plan_id": 99, "bucket_name": bucket}), "S3 plan not found"),
        (
            "create_order",
            json!({"plan_id": 2, "bucket_name": bucket, "location": "US"}),
            "S3 plan 2 is not available in US; it is available in NL",
        ),
        (
            "create_order",
            json!({"plan_id": 1, "bucket_name": bucket, "location": "Mars"}),
            "unknown location \"Mars\"; S3 is available in NL, US",
        ),
        ("create_bucket", json!({"bucket_name": "ab"}), "Invalid bucket name: must be 3 to 63 characters long"),
        ("create_bucket", json!({"bucket_name": bucket}), "S3 account not found for this customer"),
        ("history", json!({}), "either id (of a plan) or s3uid (of an account) required"),
        ("history", json!({"id": 99}), "S3 plan not found"),
        ("history", json!({"id": 1, "limit": 501}), "limit must be 1 to 500 and offset 0 or more"),
    ] {
        let expected = json!({"code": -1, "message": message});
        let (status, over_http) = world.http(action, parameters.clone()).await;
        assert_eq!((status, &over_http), (200, &expected), "{action} {parameters}");
        let over_amqp = php.call(action, parameters.clone(), Encoding::MessagePack, None).await.unwrap();
        assert_eq!(over_amqp, expected, "{action} {parameters}");
    }
    std::fs::write(&file, inactive).unwrap();
    world.deployment.purser_ok(&["plan", "import", &file.to_string_lossy()]).await.unwrap();
    let (_, reply) = world.http("create_order", json!({"plan_id": 1, "bucket_name": bucket})).await;
    assert_eq!(reply["message"], "S3 plan 1 is not active");
    assert_eq!(world.sql("SELECT count(*) FROM billing.orders").await, "0", "nothing was made");
}

#[tokio::test]
async fn http_says_what_is_wrong_in_the_seed_s_shape() {
    let world = World::start().await;
    let http = world.http_caller(Some(&world.customer_token));
    let anonymous = world.http_caller(None);
    for (caller, action, parameters, status, message) in [
        (&http, "", json!({}), 200, "action required"),
        (&http, "make_coffee", json!({}), 200, "unknown action \"make_coffee\""),
        (&http, "provision_account", json!({}), 200, "unknown action \"provision_account\""),
        (&anonymous, "list_plans", json!({}), 401, "token required"),
    ] {
        let reply = caller.call(action, &parameters).await.unwrap();
        assert_eq!((reply.status, reply.body), (status, json!({"code": -1, "message": message})), "{action:?}");
    }
    let get = http.request(reqwest::Method::GET, "?action=create_bucket&bucket_name=abc");
    let reply = test_support::http::HttpCaller::send(get).await.unwrap();
    assert_eq!((reply.status, &reply.body["code"]), (405, &json!(-1)));
    assert_alive(&world).await;
}

/// Sends all of `request`, and only then reads the answer's first bytes.
async fn send_then_read(world: &World, request: &[u8]) -> String {
    let address = world.deployment.gateway_url().replace("http://", "");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    String::from_utf8_lossy(&status).into_owned()
}

#[tokio::test]
async fn a_client_that_sends_too_much_reads_why_it_is_refused() {
    let world = World::start().await;
    let head = |length: usize, more: &str| {
        format!("POST /s3.php HTTP/1.1\r\nHost: purser\r\nContent-Length: {length}\r\n{more}\r\n").into_bytes()
    };
    let whole = [head(10_000_000, ""), vec![b'a'; 10_000_000]].concat();
    assert_eq!(send_then_read(&world, &whole).await, "HTTP/1.1 413", "read by a client that first sends it all");
    let asking = head(10_000_000, "Expect: 100-continue\r\n");
    assert_eq!(send_then_read(&world, &asking).await, "HTTP/1.1 413", "before anything is sent");
    let endless = head(1 << 40, "");
    assert_eq!(send_then_read(&world, &endless).await, "HTTP/1.1 413");

    let large = world.http_caller(None).request(reqwest::Method::POST, "").body(vec![b'a'; 10_000_000]);
    let reply = test_support::http::HttpCaller::send(large).await.unwrap();
    let message = "the body may have at most 1048576 bytes";
    assert_eq!((reply.status, reply.body), (413, json!({"code": -1, "message": message})));
    assert_alive(&world).await;
}

/// A message for billing's command queue with this body and nothing else that is wrong.
fn raw(body: Vec<u8>) -> Message {
    Message {
        message_type: Some("create_order".to_owned()),
        content_type: Some("application/msgpack".to_owned()),
        message_id: Some(DUMMY_ID.to_owned()),
        ..Message::new("s3.commands", "create_order", body)
    }
}

#[tokio::test]
async fn broken_messages_are_parked_whole_with_their_reason() {
    let world = World::start().await;
    let php = world.frontend().await;
    let typed = |message_type: &str| Message {
        message_type: Some(message_type.to_owned()),
        ..raw(Encoding::MessagePack.encode(&json!({"principal": {"customer_id": 1, "role": "customer"}})).unwrap())
    };
    let cases: Vec<(Message, &str, Option<&str>)> = vec![
        (raw(vec![0xc1, 0xff]), "undecodable", Some("the body is no valid MessagePack")),
        (raw(Vec::new()), "undecodable", Some("the body is no valid MessagePack")),
        (raw(vec![0x93, 1, 2, 3]), "undecodable", Some("the body must be a map of parameters")),
        (raw(vec![0; 10_000_000]), "undecodable", None),
        (
            Message { content_type: Some("text/xml".to_owned()), ..raw(vec![0x80]) },
            "undecodable",
            Some("content_type must be"),
        ),
        (typed("no_such_action"), "unknown-type", Some("unknown action \"no_such_action\"")),
        (typed("create_order.v9"), "unknown-type", Some("unknown action \"create_order.v9\"")),
        (typed("create_bucket"), "unknown-type", Some("unknown action \"create_bucket\"")),
        (typed("provision_account"), "untrusted", None),
    ];
    let parked = u64::try_from(cases.len()).unwrap();
    for (message, reason, answer) in cases {
        if let Some(answer) = answer {
            let reply: Value = php.call_raw(message).await.unwrap().unwrap();
            let text = reply["message"].as_str().unwrap();
            assert!(reply["code"] == json!(-1) && text.starts_with(answer), "{reason}: {reply}");
        } else {
            php.publish_raw(message).await.unwrap();
        }
    }
    world.wait_for_messages("s3.billing.parked", parked, LIMIT).await;
    assert_alive(&world).await;
}

#[tokio::test]
async fn a_command_without_an_id_is_refused_and_without_a_caller_kept() {
    let world = World::start().await;
    let php = world.frontend().await;
    let parameters = || json!({"plan_id": 1, "bucket_name": world.bucket_name("anon")});
    let message = php.message("create_order", parameters(), Encoding::MessagePack, None).unwrap();
    let reply = php.call_raw(message.clone()).await.unwrap().unwrap();
    let text = "message_id required: commands carry a UUID in the property message_id";
    assert_eq!(reply, json!({"code": -1, "message": text}));
    php.publish_raw(message).await.unwrap();
    world.wait_for_messages("s3.billing.parked", 1, LIMIT).await;
    assert_eq!(world.sql("SELECT count(*) FROM billing.orders").await, "0");
    assert_alive(&world).await;
}

#[tokio::test]
async fn a_message_from_an_untrusted_publisher_is_parked_unanswered() {
    let settings = test_support::deployment::Settings {
        variables: vec![("PURSER__AMQP__TRUSTED_PUBLISHERS".to_owned(), "somebody-else".to_owned())],
        ..Default::default()
    };
    let world = World::start_with(settings, &["all"]).await;
    let php = world.frontend().await;
    let message = php
        .message(
            "create_order",
            json!({"plan_id": 1, "bucket_name": world.bucket_name("x")}),
            Encoding::Json,
            Some(Uuid::new_v4()),
        )
        .unwrap();
    php.publish_raw(message).await.unwrap();
    world.wait_for_messages("s3.billing.parked", 1, LIMIT).await;
    assert_eq!(world.sql("SELECT count(*) FROM billing.orders").await, "0");
    assert_alive(&world).await;
}

#[tokio::test]
async fn an_action_that_nobody_takes_is_returned_to_its_publisher() {
    let world = World::start().await;
    let php = world.frontend().await;
    let message = Message { routing_key: "no_such_action".to_owned(), ..raw(vec![0x80]) };
    assert!(matches!(php.publish_raw(message).await, Err(bus::PublishError::Unroutable { .. })));
}
