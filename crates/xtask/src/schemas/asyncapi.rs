//! The AsyncAPI document: RabbitMQ as publishers and subscribers see it. Purser is the application: it receives
//! commands and queries, and sends events.

mod channels;
mod messages;

use serde_json::{Map, Value, json};

use super::contract::{ActionEntry, Contract};

/// The whole document.
pub(crate) fn document(contract: &Contract) -> Value {
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Purser over RabbitMQ",
            "version": env!("CARGO_PKG_VERSION"),
            "description": include_str!("asyncapi/description.md"),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/msgpack",
        "servers": {"rabbitmq": server()},
        "channels": channels::all(contract),
        "operations": operations(contract),
        "components": {
            "schemas": schemas(contract),
            "messages": messages::all(contract),
            "securitySchemes": {
                "password": {"type": "userPassword", "description": "A user of the broker; one per publisher."},
            },
        },
    })
}

fn server() -> Value {
    json!({
        "host": "{host}:{port}",
        "pathname": "/{vhost}",
        "protocol": "amqp",
        "protocolVersion": "0-9-1",
        "description": "RabbitMQ; `amqps` where TLS is on.",
        "variables": {
            "host": {"default": "localhost"},
            "port": {"default": "5672"},
            "vhost": {"default": "purser", "description": "The virtual host that Purser's configuration names."},
        },
        "security": [{"$ref": "#/components/securitySchemes/password"}],
    })
}

fn operations(contract: &Contract) -> Map<String, Value> {
    let mut operations = Map::new();
    for action in &contract.actions {
        operations.insert(action.spec.name.to_owned(), receive(action));
    }
    for event in &contract.events {
        let operation = json!({
            "action": "send",
            "channel": {"$ref": format!("#/channels/event.{}", event.name)},
            "summary": event.description,
            "tags": [{"name": event.role.as_str()}],
            "messages": [{"$ref": format!("#/channels/event.{0}/messages/event.{0}", event.name)}],
            "bindings": {"amqp": {"deliveryMode": 2, "mandatory": true, "ack": true, "bindingVersion": "0.3.0"}},
        });
        operations.insert(format!("event.{}", event.name), operation);
    }
    operations
}

fn receive(action: &ActionEntry) -> Value {
    let (name, kind) = (action.spec.name, action.kind_singular());
    json!({
        "action": "receive",
        "channel": {"$ref": format!("#/channels/{kind}.{name}")},
        "summary": action.description,
        "tags": [{"name": action.spec.role.as_str()}, {"name": kind}],
        "messages": [{"$ref": format!("#/channels/{kind}.{name}/messages/{kind}.{name}")}],
        "bindings": {"amqp": {
            "deliveryMode": if kind == "command" { 2 } else { 1 },
            "mandatory": true, "ack": true, "bindingVersion": "0.3.0",
        }},
        "reply": {
            "address": {
                "location": "$message.header#/reply_to",
                "description": "`amq.rabbitmq.reply-to`, a server-named queue (`amq.gen-…`) or `reply.<broker user>…`.",
            },
            "channel": {"$ref": "#/channels/replies"},
            "messages": [
                {"$ref": format!("#/channels/replies/messages/reply.{name}")},
                {"$ref": format!("#/channels/replies/messages/{}", messages::failure_of(action.spec))},
            ],
        },
    })
}

/// The same schemas as in `json-schema/`, without identity: they are parts of this document here.
fn schemas(contract: &Contract) -> Map<String, Value> {
    let nameless = |mut schema: Value| {
        if let Some(map) = schema.as_object_mut() {
            map.remove("$id");
            map.remove("$schema");
        }
        schema
    };
    contract.schemas().into_iter().map(|(path, schema)| (path.replace('/', "."), nameless(schema))).collect()
}
