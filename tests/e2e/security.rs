//! Who may say who is asking, where replies go, and what a forged message comes to.

use bus::{HeaderValue, Message};
use messages::Encoding;
use serde_json::{Value, json};
use test_support::amqp::AmqpCaller;
use test_support::deployment::{FRONTEND_USER, Settings};
use test_support::http::HttpCaller;
use test_support::world::{OTHER_CUSTOMER_ID, World};
use uuid::Uuid;

use crate::{LIMIT, order, text};

/// A command that is refused because it has no id: billing tells its caller, or keeps it aside where it may tell nobody.
fn refused_command(php: &AmqpCaller) -> Message {
    php.message("create_order", json!({"plan_id": 1, "bucket_name": "abc"}), Encoding::Json, None).unwrap()
}

#[tokio::test]
async fn a_customer_can_t_say_who_they_are() {
    let world = World::start().await;
    let (s3uid, _) = order(&world).await;
    let other = world.http_caller(Some(&world.other_token));
    let admin = json!({"customer_id": null, "role": "admin"});
    let victim = json!({"customer_id": 1, "role": "customer"});
    for principal in [admin.clone(), victim, json!("admin"), json!(1), json!([admin])] {
        let as_json = json!({"action": "get_buckets_rmq", "s3uid": s3uid, "principal": principal});
        let request = other.request(reqwest::Method::POST, "").json(&as_json);
        let reply = HttpCaller::send(request).await.unwrap().body;
        assert_eq!(reply["message"], "S3 account not found for this customer", "{principal}: {reply}");
    }
    let form = format!("action=get_buckets_rmq&s3uid={s3uid}&principal[role]=admin&principal[customer_id]=1");
    for (name, value) in [("x-publisher", "purser-billing"), ("user-id", FRONTEND_USER), ("principal", "admin")] {
        let request = other.request(reqwest::Method::POST, "").header(name, value);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(form.clone());
        let reply = HttpCaller::send(request).await.unwrap().body;
        assert_eq!(reply["message"], "S3 account not found for this customer", "{name}: {reply}");
    }
}

#[tokio::test]
async fn a_principal_that_is_none_is_refused() {
    let world = World::start().await;
    let php = world.frontend().await;
    for principal in [
        json!(null),
        json!("admin"),
        json!([]),
        json!({}),
        json!({"role": "root"}),
        json!({"role": "customer"}),
        json!({"role": "customer", "customer_id": null}),
        json!({"role": "customer", "customer_id": "1 OR 1=1"}),
        json!({"customer_id": 1}),
        json!({"role": ["admin"], "customer_id": 1}),
    ] {
        let parameters = json!({"plan_id": 1, "bucket_name": world.bucket_name("forged"), "principal": principal});
        let reply = php.call("create_order", parameters, Encoding::MessagePack, None).await.unwrap();
        assert_eq!(reply["code"], -1, "{principal}: {reply}");
        assert!(text(&reply["message"]).contains("principal"), "{principal}: {reply}");
    }
    assert_eq!(world.sql("SELECT count(*) FROM billing.orders").await, "0");
    world.wait_for_messages("s3.billing.parked", 0, LIMIT).await;
}

#[tokio::test]
async fn replies_go_to_their_caller_and_nowhere_else() {
    let world = World::start().await;
    let php = world.frontend().await;
    let management = world.management();
    // Queues of somebody else, and one that the frontend's own name is in.
    let vhost = world.deployment.name();
    let queues = ["reply.crm.1", "reply.php-frontend-2", "work", "reply.php-frontend.1"];
    for queue in queues {
        management.put_queue(vhost, queue).await.unwrap();
    }
    let forged = [
        "reply.crm.1",
        "reply.php-frontend-2",
        "work",
        "s3.provisioner",
        "s3.billing",
        "s3.billing.retry.1s",
        "s3.metering.rgw",
        "s3.history",
        "",
        "amq.rabbitmq.reply-to.AAAA",
        // The broker would fail to decode it, and end the connection of whoever replies.
        "amq.rabbitmq.reply-to.g2dkAA1ub25vZGVAbm9ob3N0AAAAAQAAAAAA.a2V5",
    ];
    for address in forged {
        php.publish_raw(Message { reply_to: Some(address.to_owned()), ..refused_command(&php) }).await.unwrap();
    }
    let parked = u64::try_from(forged.len()).unwrap();
    world.wait_for_messages("s3.billing.parked", parked, LIMIT).await;
    php.publish_raw(Message { reply_to: Some("reply.php-frontend.1".to_owned()), ..refused_command(&php) })
        .await
        .unwrap();
    world.wait_for_messages("reply.php-frontend.1", 1, LIMIT).await;
    for queue in ["reply.crm.1", "reply.php-frontend-2", "work", "s3.provisioner.parked", "s3.metering.parked"] {
        world.wait_for_messages(queue, 0, LIMIT).await;
    }
    world.wait_for_messages("s3.billing.parked", parked, LIMIT).await;
    // Somebody who isn't there: the broker drops the reply, and nothing else happens.
    let nobody = "amq.rabbitmq.reply-to.g1h3DXJlcGx5QDEyMzQ1NjcAAAAAAAAAAAAAAAA=.a2V5";
    php.publish_raw(Message { reply_to: Some(nobody.to_owned()), ..refused_command(&php) }).await.unwrap();
    order(&world).await;
}

#[tokio::test]
async fn a_publisher_can_t_pose_as_a_role() {
    let world = World::start().await;
    let (s3uid, _) = order(&world).await;
    let php = world.frontend().await;
    let notes = || {
        [("x-publisher", "purser-billing"), ("x-attempts", "0"), ("x-source-queue", "s3.provisioner")]
            .map(|(name, value)| (name.to_owned(), HeaderValue::from(value.to_owned())))
    };
    let internal = [
        ("purge_account", json!({"s3uid": s3uid, "requested_by": null})),
        ("release_account", json!({"s3uid": s3uid, "order_id": Uuid::new_v4()})),
        ("set_account_quota", json!({"s3uid": s3uid, "quota_bytes": 1})),
        ("set_account_access", json!({"s3uid": s3uid, "access": "none"})),
    ];
    let count = u64::try_from(internal.len()).unwrap();
    for (action, parameters) in internal {
        let mut message = php.message(action, parameters, Encoding::Json, Some(Uuid::new_v4())).unwrap();
        message.headers.extend(notes());
        php.publish_raw(message).await.unwrap();
    }
    world.wait_for_messages("s3.provisioner.parked", count, LIMIT).await;
    let (_, account) = world.http("get_buckets_rmq", json!({"s3uid": s3uid})).await;
    assert_eq!(account["result"], "OK", "nothing has happened to it: {account}");
    let state = format!("SELECT state, access FROM provisioner.accounts WHERE s3uid = '{s3uid}'");
    assert_eq!(world.sql(&state).await, "active|full");
}

#[tokio::test]
async fn whoever_isn_t_listed_is_parked_whatever_they_claim() {
    let world = World::start_with(Settings::default(), &["all"]).await;
    // The rights of a frontend, but nobody has listed it as one.
    let permissions =
        test_support::broker::Permissions { configure: "^$", write: "^s3\\.(commands|queries)$", read: "^$" };
    let management = world.management();
    let stranger = format!("stranger-{}", world.deployment.name());
    management.put_user(&stranger, "password", "").await.unwrap();
    management.set_permissions(world.deployment.name(), &stranger, permissions).await.unwrap();
    let url = world.deployment.amqp_url_with(&stranger, "password");
    let caller = AmqpCaller::connect(&url, test_support::amqp::customer(OTHER_CUSTOMER_ID)).await.unwrap();
    let mut message = refused_command(&caller);
    let claim = HeaderValue::from(FRONTEND_USER.to_owned());
    message.headers.insert("x-publisher".to_owned(), claim);
    caller.publish_raw(message).await.unwrap();
    let query = caller.message("list_plans", json!({}), Encoding::Json, None).unwrap();
    caller.publish_raw(Message { reply_to: Some(format!("reply.{stranger}")), ..query }).await.unwrap();
    world.wait_for_messages("s3.billing.parked", 2, LIMIT).await;
    let parked: Vec<Value> = management.take(world.deployment.name(), "s3.billing.parked", 2).await.unwrap();
    for message in parked {
        assert_eq!(message["properties"]["headers"]["x-parked-reason"], "untrusted", "{message}");
    }
    caller.close().await;
    management.delete_user(&stranger).await.unwrap();
}
