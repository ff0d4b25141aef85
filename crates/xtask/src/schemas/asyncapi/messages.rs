//! Messages: bodies, and the properties and headers around them.

use messages::{ActionSpec, Api};
use serde_json::{Map, Value, json};

use crate::schemas::contract::{ActionEntry, Contract, EventEntry};

/// The message that stands for whatever was parked.
pub(super) const PARKED: &str = "parked";
/// The message that stands for a notification of RGW.
pub(super) const RGW: &str = "rgw_notification";
/// The refusals.
pub(super) const FAILURES: [&str; 2] = ["reply.failure", "reply.storage_failure"];

const CONTENT_TYPES: [&str; 2] = ["application/msgpack", "application/json"];
const MESSAGE_ID: &str = "0193500b-1f6a-7c11-8d2e-3a4b5c6d7e8f";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// All messages by name.
pub(super) fn all(contract: &Contract) -> Map<String, Value> {
    let mut messages = Map::new();
    for action in &contract.actions {
        let (name, kind) = (action.spec.name, action.kind_singular());
        messages.insert(format!("{kind}.{name}"), request(action));
        let title = format!("The reply to {name}");
        messages.insert(format!("reply.{name}"), reply(name, &title, &action.reply_sample));
    }
    for event in &contract.events {
        messages.insert(format!("event.{}", event.name), of_event(event));
    }
    for (failure, action) in [("failure", "get_files"), ("storage_failure", "storage_info")] {
        let sample = contract.action(action).map(|action| action.failure_sample.clone()).unwrap_or_default();
        messages.insert(format!("reply.{failure}"), reply(failure, "A refusal", &sample));
    }
    messages.insert(PARKED.to_owned(), parked());
    messages.insert(
        RGW.to_owned(),
        json!({
            "name": RGW,
            "title": "A bucket notification of RGW",
            "contentType": "application/json",
            "payload": {"type": "object", "description": "As RGW writes it."},
        }),
    );
    messages
}

/// The refusal that an action is answered with.
pub(super) fn failure_of(spec: &ActionSpec) -> &'static str {
    if spec.api == Api::Storage { FAILURES[1] } else { FAILURES[0] }
}

fn request(action: &ActionEntry) -> Value {
    let (name, kind) = (action.spec.name, action.kind_singular());
    let mut required = vec!["type", "content_type", "user_id"];
    let mut headers = request_headers(name);
    let mut example = json!({
        "type": name, "content_type": "application/json", "message_id": MESSAGE_ID, "correlation_id": "1",
        "reply_to": "amq.rabbitmq.reply-to", "user_id": "php-frontend", "traceparent": TRACEPARENT,
    });
    if kind == "command" {
        required.push("message_id");
        headers["deadline"] = json!({
            "type": "string", "format": "date-time",
            "description": "Header. After it the command is refused (`details.cancelled`), not done late.",
        });
        example["deadline"] = json!("2026-11-22T01:12:03Z");
    }
    json!({
        "name": name,
        "title": format!("{name} ({kind})"),
        "summary": action.description,
        "contentType": CONTENT_TYPES[0],
        "correlationId": {"location": "$message.header#/correlation_id"},
        "headers": {"type": "object", "required": required, "properties": headers},
        "payload": {"$ref": format!("#/components/schemas/{}.{name}", action.kind())},
        "bindings": {"amqp": {"messageType": name, "bindingVersion": "0.3.0"}},
        "examples": [{"name": name, "headers": example, "payload": action.amqp_sample()}],
    })
}

fn request_headers(name: &str) -> Value {
    json!({
        "type": {"enum": [name, format!("{name}.v1")], "description": "Property `type`."},
        "content_type": {"enum": CONTENT_TYPES, "description": "Property `content_type`; MessagePack where absent."},
        "message_id": {
            "type": "string", "format": "uuid",
            "description": "Property `message_id`: under it a command is done once. Queries need none.",
        },
        "correlation_id": {"type": "string", "description": "Property `correlation_id`; the reply has the same."},
        "reply_to": {
            "type": "string", "pattern": "^(amq\\.rabbitmq\\.reply-to|amq\\.gen-|reply\\.)",
            "description": "Property `reply_to`: direct reply-to, a queue that the broker named, or `reply.<your broker user>`, perhaps \
                with more after another dot. Nothing is answered to other names.",
        },
        "user_id": {
            "type": "string",
            "description": "Property `user_id`: the broker user's own name, which the broker checks.",
        },
        "traceparent": {"type": "string", "description": "Header: W3C trace context."},
    })
}

fn reply(name: &str, title: &str, sample: &Value) -> Value {
    json!({
        "name": format!("reply.{name}"),
        "title": title,
        "contentType": CONTENT_TYPES[0],
        "correlationId": {"location": "$message.header#/correlation_id"},
        "headers": {"type": "object", "properties": {
            "type": {"type": "string", "description": "Property `type`: the action's name."},
            "content_type": {"enum": CONTENT_TYPES, "description": "Property `content_type`: the request's encoding."},
            "correlation_id": {"type": "string", "description": "Property `correlation_id`: the request's."},
        }},
        "payload": {"$ref": format!("#/components/schemas/replies.{name}")},
        "examples": [{"name": name, "headers": {"correlation_id": "1"}, "payload": sample}],
    })
}

fn of_event(event: &EventEntry) -> Value {
    let name = event.name;
    let sample = |field: &str| event.sample[field].clone();
    json!({
        "name": name,
        "title": name,
        "summary": event.description,
        "contentType": CONTENT_TYPES[0],
        "headers": {
            "type": "object",
            "required": ["ce-id", "ce-source", "ce-specversion", "ce-subject", "ce-time", "ce-type"],
            "properties": {
                "ce-id": {"type": "string", "format": "uuid", "description": "Also the property `message_id`."},
                "ce-source": {"const": format!("/purser/{}", event.role)},
                "ce-specversion": {"const": "1.0"},
                "ce-subject": {"type": "string", "pattern": "^(account|order|plan|customer|usage|location)/"},
                "ce-time": {"type": "string", "format": "date-time"},
                "ce-type": {"const": name},
                "content_type": {"const": CONTENT_TYPES[0], "description": "Property `content_type`."},
                "traceparent": {"type": "string", "description": "W3C trace context."},
            },
        },
        "payload": {"$ref": format!("#/components/schemas/events.{name}")},
        "bindings": {"amqp": {"messageType": name, "bindingVersion": "0.3.0"}},
        "examples": [{"name": name, "payload": event.sample, "headers": {
            "ce-id": sample("id"), "ce-source": sample("source"), "ce-specversion": "1.0",
            "ce-subject": sample("subject"), "ce-time": sample("time"), "ce-type": name, "traceparent": TRACEPARENT,
        }}],
    })
}

fn parked() -> Value {
    let reasons = ["undecodable", "untrusted", "unknown-type", "refused-unheard", "out-of-attempts"];
    json!({
        "name": PARKED,
        "title": "A message kept aside",
        "summary": "Body and properties as they came.",
        "headers": {"type": "object", "properties": {
            "x-parked-id": {"type": "string", "format": "uuid", "description": "Names it for as long as it is parked."},
            "x-parked-reason": {"enum": reasons, "description": "Why."},
            "x-parked-detail": {"type": "string", "description": "Why, in words."},
            "x-parked-at": {"type": "string", "format": "date-time", "description": "When."},
            "x-source-queue": {"type": "string", "description": "The queue that it came from."},
            "x-publisher": {"type": "string", "description": "Who published it first, as the broker checked it."},
            "x-attempts": {"type": "integer", "description": "How often it had failed."},
            "x-first-error": {"type": "string", "description": "What went wrong first."},
            "x-first-failed-at": {"type": "string", "format": "date-time", "description": "When."},
            "x-last-error": {"type": "string", "description": "What went wrong last."},
            "x-last-failed-at": {"type": "string", "format": "date-time", "description": "When."},
        }},
        "payload": {"description": "The body as it came."},
    })
}
