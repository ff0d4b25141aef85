//! One message as it comes in, and what becomes of it, both free of any broker's types.

use model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Reply;

/// A message as the bus hands it to a role: properties and headers decoded, body untouched.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    /// The queue it came from.
    pub queue: String,
    /// The property `type`: the action's or the event's name.
    pub message_type: Option<String>,
    /// The property `content_type`.
    pub content_type: Option<String>,
    /// The property `message_id`.
    pub message_id: Option<String>,
    /// The property `correlation_id`.
    pub correlation_id: Option<String>,
    /// The property `reply_to`.
    pub reply_to: Option<String>,
    /// Who published it first: the broker-checked `user_id`, or `x-publisher` where a role republished it.
    pub publisher: Option<String>,
    /// When its publisher says that it was published, by their own clock.
    pub published_at: Option<Timestamp>,
    /// The header `deadline`: after it a command is refused, not done late.
    pub deadline: Option<Timestamp>,
    /// The header `traceparent` (W3C trace context).
    pub traceparent: Option<String>,
    /// The header `ce-id` of an event.
    pub event_id: Option<String>,
    /// How often it failed before (0 at first).
    pub attempts: u32,
    /// The body's bytes.
    pub body: Vec<u8>,
}

/// Why a message is kept aside for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParkReason {
    /// The body or the properties can't be read.
    Undecodable,
    /// The publisher is not on the list of trusted ones.
    Untrusted,
    /// The type is none that this queue's role knows.
    UnknownType,
    /// It was refused and had nobody to be told.
    RefusedUnheard,
    /// It failed as often as it may.
    OutOfAttempts,
}

impl ParkReason {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::Undecodable, Self::Untrusted, Self::UnknownType, Self::RefusedUnheard, Self::OutOfAttempts];

    /// The value of the header `x-parked-reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::Untrusted => "untrusted",
            Self::UnknownType => "unknown-type",
            Self::RefusedUnheard => "refused-unheard",
            Self::OutOfAttempts => "out-of-attempts",
        }
    }
}

/// Why a message comes back later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryKind {
    /// Another command of the same account is being worked on: soon again, and not counted as an attempt.
    Busy,
    /// Something outside failed: again after a growing wait, counted.
    Failed,
}

/// What becomes of a delivery. The bus does it; handlers neither acknowledge nor publish.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Finished: answer (where there is a reply and somebody to read it), then acknowledge.
    Done(Option<Reply>),
    /// Not now: back into the same queue after a wait.
    Retry {
        /// How long the wait is and whether it counts.
        kind: RetryKind,
        /// What went wrong, for the header `x-last-error`. Never holds a secret.
        error: String,
    },
    /// Not now: its caller has more in hand than their share. It waits, durably, in the role's queue of such commands.
    Postpone,
    /// Aside, whole, with its reason; the caller is told where there is a reply.
    Park {
        /// The class of reason.
        reason: ParkReason,
        /// What exactly was wrong.
        detail: String,
        /// What the caller reads.
        reply: Option<Reply>,
    },
}
