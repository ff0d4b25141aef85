//! What a delivery must be to become a request, and what a caller reads otherwise.

use messages::{CreateBucket, CreateOrder, Delivery, Encoding, History, Request, RequestError, Scope, is_answerable};
use model::{CustomerId, Principal};
use serde_json::{Value, json};

const MESSAGE_ID: &str = "5f8e9d2a-1b0c-4e3f-8a6b-5c4d3e2f1a0b";

fn delivery(action: &str, body: &Value) -> Delivery {
    Delivery {
        message_type: Some(action.to_owned()),
        content_type: Some("application/json".to_owned()),
        message_id: Some(MESSAGE_ID.to_owned()),
        body: body.to_string().into_bytes(),
        ..Delivery::default()
    }
}

fn with_principal(mut parameters: Value) -> Value {
    parameters["principal"] = json!({"customer_id": 7, "role": "customer"});
    parameters
}

#[test]
fn parameters_are_read_generously() {
    for parameters in [
        json!({"plan_id": 1, "bucket_name": "abc"}),
        json!({"plan_id": "1", "bucket_name": "abc", "location": ""}),
        json!({"plan_id": " 1 ", "bucket": "abc", "location": null, "token": "secret", "unknown": [1]}),
    ] {
        let (request, _) = Request::decode(&delivery("create_order", &with_principal(parameters))).unwrap();
        let order: CreateOrder = request.parameters().unwrap();
        assert_eq!((order.plan_id.0, order.bucket_name.as_str(), order.location.as_ref()), (1, "abc", None));
        assert!(!serde_json::to_string(&request).unwrap().contains("secret"), "no token goes on");
    }
}

#[test]
fn the_same_meaning_has_the_same_fingerprint_in_every_encoding() {
    let parameters = with_principal(json!({"plan_id": 1, "bucket_name": "abc"}));
    let same = with_principal(json!({"bucket": "abc", "plan_id": "1"}));
    let other = with_principal(json!({"plan_id": 2, "bucket_name": "abc"}));
    let mut msgpack = delivery("create_order", &parameters);
    msgpack.content_type = None;
    msgpack.body = Encoding::MessagePack.encode(&parameters).unwrap();
    let fingerprint = |delivery: &Delivery| {
        let (request, _) = Request::decode(delivery).unwrap();
        request.fingerprint(&request.parameters::<CreateOrder>().unwrap())
    };
    let expected = fingerprint(&delivery("create_order", &parameters));
    assert_eq!(fingerprint(&msgpack), expected);
    assert_eq!(fingerprint(&delivery("create_order", &same)), expected);
    assert_ne!(fingerprint(&delivery("create_order", &other)), expected);
    assert_ne!(fingerprint(&delivery("create_account", &parameters)), expected);
}

#[test]
fn what_is_wrong_with_parameters_is_named() {
    for (parameters, complaint) in [
        (json!({"bucket_name": "abc"}), "plan_id required"),
        (json!({"plan_id": 1}), "bucket_name required"),
        (json!({"plan_id": 1, "bucket_name": ""}), "bucket_name required"),
        (json!({"plan_id": "one", "bucket_name": "abc"}), "plan_id must be an integer, not \"one\""),
        (json!({"plan_id": 1.5, "bucket_name": "abc"}), "plan_id must be an integer, not 1.5"),
        (json!({"plan_id": [1], "bucket_name": "abc"}), "plan_id must be an integer"),
        (json!({"plan_id": 1, "bucket_name": ["abc"]}), "bucket_name must be a text"),
        (json!({"plan_id": 1, "bucket_name": true}), "bucket_name must be a text"),
        (json!({"plan_id": 1, "bucket_name": "A"}), "Invalid bucket name: must be 3 to 63 characters long"),
    ] {
        let (request, _) = Request::decode(&delivery("create_order", &with_principal(parameters.clone()))).unwrap();
        assert_eq!(request.parameters::<CreateOrder>().unwrap_err().message, complaint, "{parameters}");
    }
}

#[test]
fn the_envelope_must_be_sound() {
    let good = with_principal(json!({"bucket_name": "abc"}));
    let error = |delivery: &Delivery| Request::decode(delivery).unwrap_err();
    let changed = |change: fn(&mut Delivery)| {
        let mut delivery = delivery("create_bucket", &good);
        change(&mut delivery);
        delivery
    };
    assert!(Request::decode(&delivery("create_bucket.v1", &good)).is_ok());
    assert_eq!(error(&delivery("create_bucket.v2", &good)), RequestError::UnknownAction("create_bucket.v2".to_owned()));
    assert_eq!(error(&changed(|d| d.message_type = None)), RequestError::UnknownAction(String::new()));
    for (delivery, complaint) in [
        (changed(|d| d.message_id = None), "message_id required: commands carry a UUID in the property message_id"),
        (changed(|d| d.message_id = Some("7".to_owned())), "message_id must be a UUID, not \"7\""),
        (changed(|d| d.content_type = Some("text/html".to_owned())), "content_type must be"),
        (delivery("create_bucket", &json!({"bucket_name": "abc"})), "principal required"),
        (delivery("create_bucket", &with_principal(json!({"x": ["a\0b"]}))), "x must not contain a NUL character"),
        (changed(|d| d.correlation_id = Some("\0".to_owned())), "properties and headers must not contain a NUL"),
        (
            delivery("create_bucket", &json!({"principal": {"role": "customer"}})),
            "principal must be {customer_id, role}: principal.customer_id is required for the role customer",
        ),
        (delivery("create_bucket", &json!({"principal": {"role": "root"}})), "principal must be {customer_id, role}"),
    ] {
        let message = error(&delivery).to_string();
        assert!(message.starts_with(complaint), "{message}");
    }
    let mut query = delivery("history", &with_principal(json!({"id": "5"})));
    query.message_id = None;
    let (request, _) = Request::decode(&query).unwrap();
    assert_eq!(request.parameters::<History>().unwrap().id.map(|id| id.0), Some(5));
}

#[test]
fn customers_reach_their_own_accounts_only() {
    let (own, other) = (CustomerId(7), CustomerId(8));
    assert_eq!(Scope::of(Principal::Customer(own), None), Ok(Scope::Customer(own)));
    assert_eq!(Scope::of(Principal::Customer(own), Some(own)), Ok(Scope::Customer(own)));
    assert!(Scope::of(Principal::Customer(own), Some(other)).is_err());
    assert_eq!(Scope::of(Principal::Admin(None), Some(other)), Ok(Scope::Customer(other)));
    assert_eq!(Scope::of(Principal::Admin(Some(own)), None), Ok(Scope::Anyone));
}

#[test]
fn only_reply_addresses_are_answered() {
    for (address, answerable) in [
        ("amq.rabbitmq.reply-to.g1h3DXJlcGx5QDEyMzQ1NjcAAAAAAAAAAAAAAAA=.a2V5", true),
        ("amq.rabbitmq.reply-to.g1h2AA1yZXBseUAxMjM0NTY3AAAAAAAAAAAAAAAA.a2V5", true),
        // No key, a key that isn't one, one byte too few, no text, another kind of process identifier, no term, nothing.
        ("amq.rabbitmq.reply-to.g1h3DXJlcGx5QDEyMzQ1NjcAAAAAAAAAAAAAAAA=", false),
        ("amq.rabbitmq.reply-to.g1h3DXJlcGx5QDEyMzQ1NjcAAAAAAAAAAAAAAAA=.a2V5.a", false),
        ("amq.rabbitmq.reply-to.g1h3DXJlcGx5QDEyMzQ1NjcAAAAAAAAAAAAAAA==.a2V5", false),
        ("amq.rabbitmq.reply-to.g1h3A//+QAAAAAAAAAAAAAAAAA==.a2V5", false),
        ("amq.rabbitmq.reply-to.g2dkAA1ub25vZGVAbm9ob3N0AAAAAQAAAAAA.a2V5", false),
        ("amq.rabbitmq.reply-to.g1h2.a2V5", false),
        ("amq.rabbitmq.reply-to.", false),
        ("amq.gen-abc", true),
        ("reply.php", true),
        ("reply.php.1", true),
        ("reply.nobody", true),
        ("reply.php-1", false),
        ("reply.crm.1", false),
        ("reply.", false),
        ("s3.billing", false),
        ("amq.rabbitmq.reply-to", false),
        ("", false),
    ] {
        assert_eq!(is_answerable(address, "php"), answerable, "{address}");
    }
    assert!(!is_answerable("reply.", "") && !is_answerable("reply..x", ""), "nobody's publisher");
}

#[test]
fn a_bucket_may_be_called_by_a_number() {
    let (request, _) =
        Request::decode(&delivery("create_bucket", &with_principal(json!({"bucket_name": 2024})))).unwrap();
    assert_eq!(request.parameters::<CreateBucket>().unwrap().bucket_name.as_str(), "2024");
}
