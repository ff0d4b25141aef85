//! What operators did with parked messages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An operator gave a parked message back to its queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageRedriven {
    /// What named it while it was parked.
    pub parked_id: Uuid,
    /// Its property `message_id`, where it had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Its property `type`: the action's or the event's name, where it had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The queue that it came from.
    pub queue: String,
    /// Why it had been parked.
    pub reason: String,
}

/// An operator threw a parked message away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageDropped {
    /// What named it while it was parked.
    pub parked_id: Uuid,
    /// Its property `message_id`, where it had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Its property `type`: the action's or the event's name, where it had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The queue that it came from; empty where that isn't known.
    pub queue: String,
    /// Why it had been parked.
    pub reason: String,
    /// Why it was thrown away.
    pub note: String,
}
