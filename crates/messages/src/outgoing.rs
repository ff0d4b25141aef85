//! A message that is to be published, free of any broker's types.

use std::collections::BTreeMap;

use model::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Action, ActionKind, CallerAddress, Encoding, Event, find_action};

/// Everything about an outgoing message but its body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// The exchange; empty for the default exchange.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// The property `type`.
    pub message_type: String,
    /// Which of the two encodings the body gets.
    pub encoding: Encoding,
    /// The property `message_id`.
    pub message_id: Option<Uuid>,
    /// The property `correlation_id`.
    pub correlation_id: Option<String>,
    /// Text headers.
    pub headers: BTreeMap<String, String>,
    /// Whether it survives a restart of the broker.
    pub persistent: bool,
    /// Whether it is an error that no queue takes it. Replies must not ask for that: the broker
    /// returns them even when they arrive.
    pub mandatory: bool,
}

impl Envelope {
    /// A reply to a caller.
    pub fn reply(caller: &CallerAddress, action: &str) -> Self {
        Self {
            exchange: String::new(),
            routing_key: caller.reply_to.clone(),
            message_type: action.to_owned(),
            encoding: caller.encoding,
            message_id: None,
            correlation_id: caller.correlation_id.clone(),
            headers: BTreeMap::new(),
            persistent: false,
            mandatory: false,
        }
    }

    /// A command or query of type `A`.
    pub fn action<A: Action>(message_id: Uuid, deadline: Option<Timestamp>, traceparent: Option<&str>) -> Self {
        let query = find_action(A::NAME).is_some_and(|spec| spec.kind == ActionKind::Query);
        let mut headers = BTreeMap::new();
        if let Some(deadline) = deadline {
            headers.insert("deadline".to_owned(), deadline.to_rfc3339());
        }
        if let Some(traceparent) = traceparent {
            headers.insert("traceparent".to_owned(), traceparent.to_owned());
        }
        Self {
            exchange: if query { "s3.queries" } else { "s3.commands" }.to_owned(),
            routing_key: A::NAME.to_owned(),
            message_type: A::NAME.to_owned(),
            encoding: Encoding::MessagePack,
            message_id: Some(message_id),
            correlation_id: None,
            headers,
            persistent: !query,
            mandatory: true,
        }
    }

    /// An event, with its CloudEvents attributes as headers.
    pub fn event(event: &Event, traceparent: Option<&str>) -> Self {
        let mut headers = BTreeMap::from([
            ("ce-id".to_owned(), event.id.to_string()),
            ("ce-source".to_owned(), event.source.clone()),
            ("ce-type".to_owned(), event.event.clone()),
            ("ce-time".to_owned(), event.time.to_rfc3339()),
            ("ce-subject".to_owned(), event.subject.clone()),
            ("ce-specversion".to_owned(), "1.0".to_owned()),
        ]);
        if let Some(traceparent) = traceparent {
            headers.insert("traceparent".to_owned(), traceparent.to_owned());
        }
        Self {
            exchange: "s3.events".to_owned(),
            routing_key: event.event.clone(),
            message_type: event.event.clone(),
            encoding: Encoding::MessagePack,
            message_id: Some(event.id),
            correlation_id: None,
            headers,
            persistent: true,
            mandatory: true,
        }
    }
}
