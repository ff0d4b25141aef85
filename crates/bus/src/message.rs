//! A message to be published, and how it becomes AMQP properties.

use std::collections::BTreeMap;
use std::fmt;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use messages::Envelope;
use model::Timestamp;

use crate::publish::PublishError;

const PERSISTENT: u8 = 2;
const TRANSIENT: u8 = 1;

/// The value of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderValue {
    /// UTF-8 text.
    Text(String),
    /// A signed 64-bit integer.
    Integer(i64),
    /// True or false.
    Boolean(bool),
    /// A moment, to the second.
    Timestamp(Timestamp),
}

impl From<&str> for HeaderValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for HeaderValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for HeaderValue {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl HeaderValue {
    fn into_amqp(self) -> AMQPValue {
        match self {
            Self::Text(text) => AMQPValue::LongString(text.into()),
            Self::Integer(number) => AMQPValue::LongLongInt(number),
            Self::Boolean(value) => AMQPValue::Boolean(value),
            Self::Timestamp(moment) => AMQPValue::Timestamp(unix_seconds(moment)),
        }
    }
}

/// A message to be published. Texts but the body and text headers are limited to 255 bytes each.
///
/// `Debug` leaves the body out: it may hold a secret.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// The exchange; empty for the default exchange.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// The property `type`.
    pub message_type: Option<String>,
    /// The property `content_type`.
    pub content_type: Option<String>,
    /// The property `message_id`.
    pub message_id: Option<String>,
    /// The property `correlation_id`.
    pub correlation_id: Option<String>,
    /// The property `reply_to`.
    pub reply_to: Option<String>,
    /// The property `expiration`: how long it may wait in a queue.
    pub expiration_ms: Option<u64>,
    /// The property `app_id`.
    pub app_id: Option<String>,
    /// The property `timestamp`, to the second.
    pub timestamp: Option<Timestamp>,
    /// The headers.
    pub headers: BTreeMap<String, HeaderValue>,
    /// The body's bytes.
    pub body: Vec<u8>,
    /// Whether it survives a restart of the broker in a durable queue.
    pub persistent: bool,
    /// Whether it is an error that no queue takes it.
    pub mandatory: bool,
}

impl Message {
    /// A persistent, mandatory message without properties.
    pub fn new(exchange: impl Into<String>, routing_key: impl Into<String>, body: Vec<u8>) -> Self {
        Self {
            exchange: exchange.into(),
            routing_key: routing_key.into(),
            body,
            persistent: true,
            mandatory: true,
            ..Self::default()
        }
    }

    /// The message that an envelope and its encoded body make.
    pub fn from_envelope(envelope: Envelope, body: Vec<u8>) -> Self {
        Self {
            exchange: envelope.exchange,
            routing_key: envelope.routing_key,
            message_type: Some(envelope.message_type),
            content_type: Some(envelope.encoding.content_type().to_owned()),
            message_id: envelope.message_id.map(|id| id.to_string()),
            correlation_id: envelope.correlation_id,
            headers: envelope.headers.into_iter().map(|(name, text)| (name, HeaderValue::Text(text))).collect(),
            body,
            persistent: envelope.persistent,
            mandatory: envelope.mandatory,
            ..Self::default()
        }
    }

    /// The AMQP properties of this message, published by `user`.
    pub(crate) fn properties(&self, user: &str) -> Result<BasicProperties, PublishError> {
        let mode = if self.persistent { PERSISTENT } else { TRANSIENT };
        let mut properties = BasicProperties::default().with_delivery_mode(mode).with_user_id(short("user_id", user)?);
        if let Some(text) = &self.message_type {
            properties = properties.with_type(short("type", text)?);
        }
        if let Some(text) = &self.content_type {
            properties = properties.with_content_type(short("content_type", text)?);
        }
        if let Some(text) = &self.message_id {
            properties = properties.with_message_id(short("message_id", text)?);
        }
        if let Some(text) = &self.correlation_id {
            properties = properties.with_correlation_id(short("correlation_id", text)?);
        }
        if let Some(text) = &self.reply_to {
            properties = properties.with_reply_to(short("reply_to", text)?);
        }
        if let Some(text) = &self.app_id {
            properties = properties.with_app_id(short("app_id", text)?);
        }
        if let Some(wait_ms) = self.expiration_ms {
            properties = properties.with_expiration(short("expiration", &wait_ms.to_string())?);
        }
        if let Some(moment) = self.timestamp {
            properties = properties.with_timestamp(unix_seconds(moment));
        }
        if !self.headers.is_empty() {
            let mut headers = FieldTable::default();
            for (name, value) in &self.headers {
                headers.insert(short("a header's name", name)?, value.clone().into_amqp());
            }
            properties = properties.with_headers(headers);
        }
        Ok(properties)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("exchange", &self.exchange)
            .field("routing_key", &self.routing_key)
            .field("message_type", &self.message_type)
            .field("message_id", &self.message_id)
            .field("correlation_id", &self.correlation_id)
            .field("reply_to", &self.reply_to)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// AMQP's short text, or an error that names the field.
pub(crate) fn short(field: &str, text: &str) -> Result<ShortString, PublishError> {
    ShortString::try_new(text)
        .map_err(|_| PublishError::Invalid(format!("{field} must be at most 255 bytes long, not {}", text.len())))
}

fn unix_seconds(moment: Timestamp) -> u64 {
    u64::try_from(moment.timestamp()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_long_a_text_is_refused_by_name() {
        let message = Message { correlation_id: Some("x".repeat(256)), ..Message::default() };
        let error = message.properties("user").expect_err("too long");
        assert_eq!(error, PublishError::Invalid("correlation_id must be at most 255 bytes long, not 256".to_owned()));
    }

    #[test]
    fn debug_hides_the_body() {
        let message = Message::new("s3.commands", "create_bucket", b"secret".to_vec());
        let text = format!("{message:?}");
        assert!(text.contains("body_bytes: 6") && !text.contains("secret") && !text.contains("115"), "{text}");
    }
}
