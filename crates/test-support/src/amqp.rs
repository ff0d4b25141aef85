//! Calls over RabbitMQ, as the PHP frontend makes them.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use bus::{Bus, BusConfig, HeaderValue, Message, PublishError, Publisher, RpcClient, RpcError};
use messages::{ActionKind, Encoding, find_action};
use serde_json::{Value, json};
use uuid::Uuid;

/// Longer than an order takes on a busy machine.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A publisher that waits for replies, as one broker user, asking for one principal.
#[derive(Debug, Clone)]
pub struct AmqpCaller {
    bus: Bus,
    rpc: RpcClient,
    principal: Value,
}

/// A customer, as a trusted publisher names the asking one.
pub fn customer(id: i64) -> Value {
    json!({ "customer_id": id, "role": "customer" })
}

/// An administrator without a customer id.
pub fn admin() -> Value {
    json!({ "customer_id": null, "role": "admin" })
}

impl AmqpCaller {
    /// Connects; `url` names user, password and virtual host, `principal` who is asking.
    pub async fn connect(url: &str, principal: Value) -> Result<Self> {
        Self::connect_with(BusConfig::new(url.to_owned().into(), "a client"), principal).await
    }

    /// The same, also over TLS.
    pub async fn connect_with(config: BusConfig, principal: Value) -> Result<Self> {
        let bus = Bus::connect(config).await?;
        Ok(Self { rpc: RpcClient::new(bus.clone()), bus, principal })
    }

    /// The same connection, asking for another principal.
    #[must_use]
    pub fn asking_for(&self, principal: Value) -> Self {
        Self { principal, ..self.clone() }
    }

    /// Publishes an action with these parameters and waits for its reply.
    ///
    /// A command goes out under `message_id`, or under a new one. `principal` is added unless `parameters` has one.
    pub async fn call(
        &self,
        action: &str,
        parameters: Value,
        encoding: Encoding,
        message_id: Option<Uuid>,
    ) -> Result<Value> {
        let message = self.message(action, parameters, encoding, Some(message_id.unwrap_or_else(Uuid::new_v4)))?;
        self.call_raw(message).await?.map_err(|error| anyhow!("calling {action}: {error}"))
    }

    /// Publishes any message and waits for its reply, in the encoding that the reply names.
    pub async fn call_raw(&self, message: Message) -> Result<Result<Value, RpcError>> {
        match self.rpc.call(message, TIMEOUT).await {
            Err(error) => Ok(Err(error)),
            Ok(reply) => {
                let encoding = Encoding::from_content_type(reply.content_type.as_deref())?;
                Ok(Ok(encoding.decode(&reply.body).context("decoding the reply")?))
            }
        }
    }

    /// Publishes any message, with the broker's confirm, and waits for nothing else.
    pub async fn publish_raw(&self, message: Message) -> Result<(), PublishError> {
        self.bus.publisher().publish(message).await
    }

    /// The message that [`AmqpCaller::call`] publishes, to be changed and published raw.
    pub fn message(
        &self,
        action: &str,
        mut parameters: Value,
        encoding: Encoding,
        message_id: Option<Uuid>,
    ) -> Result<Message> {
        let body = parameters.as_object_mut().context("parameters are a map")?;
        body.entry("principal").or_insert_with(|| self.principal.clone());
        let query = find_action(action).is_some_and(|spec| spec.kind == ActionKind::Query);
        let exchange = if query { "s3.queries" } else { "s3.commands" };
        Ok(Message {
            message_type: Some(action.to_owned()),
            content_type: Some(encoding.content_type().to_owned()),
            message_id: message_id.map(|id| id.to_string()),
            app_id: Some("purser-tests".to_owned()),
            headers: BTreeMap::<String, HeaderValue>::new(),
            persistent: !query,
            expiration_ms: query.then(|| u64::try_from(TIMEOUT.as_millis()).unwrap_or(u64::MAX)),
            ..Message::new(exchange, action, encoding.encode(&parameters)?)
        })
    }

    /// Publishes on this connection, any number of messages at once.
    pub fn publisher(&self) -> Publisher {
        self.bus.publisher()
    }

    /// Closes the connection.
    pub async fn close(&self) {
        self.bus.close().await;
    }
}
