//! The table put to use: declared, looked for, written as definitions.

use std::collections::BTreeMap;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};

use super::{Argument, ExchangeKind, Topology};
use crate::connection::{Bus, Session};

/// Why the broker doesn't have, or didn't take, the topology.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {reason}")]
pub struct TopologyError {
    /// What was declared or looked for, such as `queue "s3.billing"`.
    pub what: String,
    /// The broker's answer.
    pub reason: String,
}

impl Argument {
    fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(number) => json!(number),
        }
    }

    fn to_amqp(&self) -> AMQPValue {
        match self {
            Self::Text(text) => AMQPValue::LongString(text.as_str().into()),
            Self::Number(number) => AMQPValue::LongLongInt(*number),
        }
    }
}

impl Topology {
    /// Declares exchanges, queues and bindings over an administrator's connection; what is there already is left as
    /// it is. Policies can't be declared over AMQP: they come with [`Topology::definitions_json`].
    pub async fn declare(&self, bus: &Bus) -> Result<(), TopologyError> {
        let session = bus.session().await.map_err(|e| failed("the connection", &e))?;
        session.while_alive(self.declare_on(&session)).await.unwrap_or_else(|e| Err(failed("the connection", &e)))
    }

    async fn declare_on(&self, session: &Session) -> Result<(), TopologyError> {
        let channel = session.open_channel().await.map_err(|e| failed("the channel", &e))?;
        for exchange in &self.exchanges {
            let kind = match exchange.kind {
                ExchangeKind::Direct => lapin::ExchangeKind::Direct,
                ExchangeKind::Topic => lapin::ExchangeKind::Topic,
            };
            let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
            channel
                .exchange_declare(exchange.name.into(), kind, options, FieldTable::default())
                .await
                .map_err(|e| failed(&format!("exchange {:?}", exchange.name), &e))?;
        }
        for queue in &self.queues {
            let mut arguments = FieldTable::default();
            for (name, value) in &queue.arguments {
                arguments.insert((*name).into(), value.to_amqp());
            }
            let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            channel
                .queue_declare(queue.name.as_str().into(), options, arguments)
                .await
                .map_err(|e| failed(&format!("queue {:?}", queue.name), &e))?;
        }
        for binding in &self.bindings {
            let (queue, key) = (binding.queue.as_str().into(), binding.routing_key.as_str().into());
            channel
                .queue_bind(queue, binding.exchange.into(), key, QueueBindOptions::default(), FieldTable::default())
                .await
                .map_err(|e| failed(&format!("binding {:?} to {:?}", binding.queue, binding.exchange), &e))?;
        }
        channel.close(200, "declared".into()).await.map_err(|e| failed("the channel", &e))
    }

    /// Looks whether all exchanges and queues are there, without making anything; needs no configure permission.
    pub async fn check(&self, bus: &Bus) -> Result<(), TopologyError> {
        let session = bus.session().await.map_err(|e| failed("the connection", &e))?;
        session.while_alive(self.check_on(&session)).await.unwrap_or_else(|e| Err(failed("the connection", &e)))
    }

    async fn check_on(&self, session: &Session) -> Result<(), TopologyError> {
        let channel = session.open_channel().await.map_err(|e| failed("the channel", &e))?;
        for exchange in &self.exchanges {
            let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
            channel
                .exchange_declare(exchange.name.into(), lapin::ExchangeKind::Direct, options, FieldTable::default())
                .await
                .map_err(|e| failed(&format!("exchange {:?}", exchange.name), &e))?;
        }
        for queue in &self.queues {
            let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            channel
                .queue_declare(queue.name.as_str().into(), options, FieldTable::default())
                .await
                .map_err(|e| failed(&format!("queue {:?}", queue.name), &e))?;
        }
        channel.close(200, "checked".into()).await.map_err(|e| failed("the channel", &e))
    }

    /// The table as definitions that the management API imports into one virtual host
    /// (`POST /api/definitions/<vhost>`), policies included.
    pub fn definitions_json(&self) -> Value {
        let object = |map: &BTreeMap<&'static str, Argument>| -> Value {
            map.iter().map(|(name, value)| ((*name).to_owned(), value.to_json())).collect()
        };
        let exchanges = self.exchanges.iter().map(|exchange| {
            json!({
                "name": exchange.name, "type": exchange.kind.as_str(), "durable": true, "auto_delete": false,
                "internal": false, "arguments": {},
            })
        });
        let queues = self.queues.iter().map(|queue| {
            let arguments = object(&queue.arguments);
            json!({ "name": queue.name, "durable": true, "auto_delete": false, "arguments": arguments })
        });
        let bindings = self.bindings.iter().map(|binding| {
            json!({
                "source": binding.exchange, "destination": binding.queue, "destination_type": "queue",
                "routing_key": binding.routing_key, "arguments": {},
            })
        });
        let policies = self.policies.iter().map(|policy| {
            let definition = object(&policy.definition);
            json!({
                "name": policy.name, "pattern": policy.pattern, "apply-to": "queues", "priority": 0,
                "definition": definition,
            })
        });
        json!({
            "exchanges": exchanges.collect::<Vec<_>>(),
            "queues": queues.collect::<Vec<_>>(),
            "bindings": bindings.collect::<Vec<_>>(),
            "policies": policies.collect::<Vec<_>>(),
        })
    }

    /// The table as definitions for a whole broker, which it loads at its start (`definitions.local.path`) or with
    /// `rabbitmqctl import_definitions`: the virtual host, and each entry with its name. No users, hence no secrets.
    pub fn broker_definitions_json(&self, vhost: &str) -> Value {
        let mut definitions = self.definitions_json();
        for parts in definitions.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
            for entry in parts.as_array_mut().into_iter().flatten() {
                entry["vhost"] = json!(vhost);
            }
        }
        definitions["vhosts"] = json!([{ "name": vhost }]);
        definitions
    }
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> TopologyError {
    TopologyError { what: what.to_owned(), reason: error.to_string() }
}
