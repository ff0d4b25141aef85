//! Channels: one per routing key, and one per queue that somebody reads.

use std::collections::BTreeMap;

use bus::{Argument, Exchange, Queue, Topology};
use serde_json::{Map, Value, json};

use super::messages;
use crate::schemas::contract::Contract;

const SERVERS: &str = "#/servers/rabbitmq";

/// All of them, by name.
pub(super) fn all(contract: &Contract) -> Map<String, Value> {
    let topology = Topology::purser();
    let mut channels = Map::new();
    for action in &contract.actions {
        let (name, kind) = (action.spec.name, action.kind_singular());
        let exchange = format!("s3.{}", action.kind());
        let channel = routed(&topology, &exchange, name, &format!("{kind}.{name}"));
        channels.insert(format!("{kind}.{name}"), channel);
    }
    for event in &contract.events {
        let channel = routed(&topology, "s3.events", event.name, &format!("event.{}", event.name));
        channels.insert(format!("event.{}", event.name), channel);
    }
    channels.insert("replies".to_owned(), replies(contract));
    // Retry queues are the bus's own business; they are named with the queue that they serve.
    for queue in topology.queues.iter().filter(|queue| !queue.name.contains(".retry.")) {
        channels.insert(format!("queue.{}", queue.name), of_queue(&topology, queue, contract));
    }
    channels
}

fn routed(topology: &Topology, exchange: &str, routing_key: &str, message: &str) -> Value {
    let exchange = topology.exchanges.iter().find(|known| known.name == exchange).map(of_exchange);
    let queues = topology.bindings.iter().filter(|binding| {
        Some(binding.exchange) == exchange.as_ref().and_then(|exchange| exchange["name"].as_str())
            && (binding.routing_key == routing_key || binding.routing_key == "#")
    });
    json!({
        "address": routing_key,
        "servers": [{"$ref": SERVERS}],
        "messages": {message: {"$ref": format!("#/components/messages/{message}")}},
        "bindings": {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0"}},
        "x-queues": queues.map(|binding| binding.queue.as_str()).collect::<Vec<_>>(),
    })
}

fn of_exchange(exchange: &Exchange) -> Value {
    json!({"name": exchange.name, "type": exchange.kind.as_str(), "durable": true, "autoDelete": false})
}

fn replies(contract: &Contract) -> Value {
    let names = contract.actions.iter().map(|action| format!("reply.{}", action.spec.name));
    let names = names.chain(messages::FAILURES.map(str::to_owned));
    let messages: Map<_, _> =
        names.map(|name| (name.clone(), json!({"$ref": format!("#/components/messages/{name}")}))).collect();
    json!({
        "address": null,
        "title": "Replies",
        "description": "The default exchange, with the request's `reply_to` as routing key.",
        "servers": [{"$ref": SERVERS}],
        "messages": messages,
        "bindings": {"amqp": {
            "is": "routingKey",
            "exchange": {"name": "", "type": "default", "durable": true, "autoDelete": false},
            "bindingVersion": "0.3.0",
        }},
    })
}

/// A queue with what is in it.
fn of_queue(topology: &Topology, queue: &Queue, contract: &Contract) -> Value {
    let bindings: Vec<_> = topology.bindings.iter().filter(|binding| binding.queue == queue.name).collect();
    let carries = |exchange: &str, routing_key: &str| {
        bindings.iter().any(|binding| {
            binding.exchange == exchange && (binding.routing_key == routing_key || binding.routing_key == "#")
        })
    };
    let actions = contract.actions.iter().filter(|action| carries(&format!("s3.{}", action.kind()), action.spec.name));
    let events = contract.events.iter().filter(|event| carries("s3.events", event.name));
    let names = actions
        .map(|action| format!("{}.{}", action.kind_singular(), action.spec.name))
        .chain(events.map(|event| format!("event.{}", event.name)))
        .chain(queue.name.ends_with(".parked").then(|| messages::PARKED.to_owned()))
        .chain((queue.name == "s3.metering.rgw").then(|| messages::RGW.to_owned()));
    let messages: Map<_, _> =
        names.map(|name| (name.clone(), json!({"$ref": format!("#/components/messages/{name}")}))).collect();
    let retry: Vec<_> = topology
        .queues
        .iter()
        .map(|other| &other.name)
        .filter(|name| name.starts_with(&format!("{}.retry.", queue.name)))
        .collect();
    let bound: Vec<_> = bindings
        .iter()
        .map(|binding| json!({"exchange": binding.exchange, "routing_key": binding.routing_key}))
        .collect();
    json!({
        "address": queue.name,
        "description": description(&queue.name),
        "servers": [{"$ref": SERVERS}],
        "messages": messages,
        "bindings": {"amqp": {
            "is": "queue",
            "queue": {"name": queue.name, "durable": true, "exclusive": false, "autoDelete": false},
            "bindingVersion": "0.3.0",
        }},
        "x-queue-type": queue.kind.as_str(),
        "x-arguments": arguments(&queue.arguments),
        "x-bindings": bound,
        "x-retry-queues": retry,
    })
}

fn description(queue: &str) -> &'static str {
    match queue.rsplit('.').next().unwrap_or_default() {
        "history" => "A stream with every event of the past year; read it from any offset.",
        "parked" => "Messages kept aside for a person, whole, with the reason in their headers.",
        "queries" => "Queries, until nobody waits for them any more.",
        "crowded" => "Commands that were too many of one caller's; they wait here for their turn.",
        "events" => "The events that this role wants.",
        "rgw" => "Notifications of RGW's buckets.",
        _ => "The commands that this role carries out.",
    }
}

fn arguments(arguments: &BTreeMap<&'static str, Argument>) -> Map<String, Value> {
    let value = |argument: &Argument| match argument {
        Argument::Text(text) => json!(text),
        Argument::Number(number) => json!(number),
    };
    arguments.iter().map(|(name, argument)| ((*name).to_owned(), value(argument))).collect()
}
