//! A decoded request: who asks for what, under which id, and where the answer goes.

use model::{CustomerId, Principal, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::trace_context::continue_or_start_trace;
use crate::{
    Action, ActionKind, ActionSpec, DecodeError, Delivery, Encoding, Refusal, RefusalKind, find_action, is_direct,
    lenient,
};

/// Where a reply goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallerAddress {
    /// The queue or direct reply-to address.
    pub reply_to: String,
    /// What the caller recognises its reply by.
    pub correlation_id: Option<String>,
    /// The encoding that the caller used.
    pub encoding: Encoding,
}

/// The address of who wants no answer.
pub const NOBODY: &str = "reply.nobody";

/// Whether a publisher may have its replies sent to this address; anything else could be somebody's work queue.
///
/// Addresses for direct reply-to ([`is_direct`]), and names that the broker made (`amq.gen-…`), can't be guessed. A queue
/// with a name of its own has its publisher's in it: `reply.<broker user>`, or more after another dot.
pub fn is_answerable(reply_to: &str, publisher: &str) -> bool {
    if is_direct(reply_to) || reply_to.starts_with("amq.gen-") || reply_to == NOBODY {
        return true;
    }
    let rest = reply_to.strip_prefix("reply.").and_then(|rest| rest.strip_prefix(publisher));
    !publisher.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl CallerAddress {
    /// The address of a delivery's caller, if it left one that may be answered.
    pub fn of(delivery: &Delivery) -> Option<Self> {
        let publisher = delivery.publisher.as_deref().unwrap_or_default();
        let reply_to = delivery.reply_to.clone().filter(|address| is_answerable(address, publisher))?;
        let encoding = Encoding::from_content_type(delivery.content_type.as_deref()).unwrap_or(Encoding::Json);
        Some(Self { reply_to, correlation_id: delivery.correlation_id.clone(), encoding })
    }
}

/// What makes a command the same command: ids are unique per caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct CommandKey {
    /// The caller, as [`Principal::actor`] names them.
    pub principal: String,
    /// The property `message_id`.
    pub message_id: Uuid,
}

/// A request whose envelope is sound; its parameters are typed by [`Request::parameters`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// The action's name as the caller wrote it; the reply echoes it.
    pub action: String,
    /// Who is asking.
    pub principal: Principal,
    /// The idempotency key. Commands always have one.
    pub message_id: Option<Uuid>,
    /// Where the reply goes.
    pub caller: Option<CallerAddress>,
    /// After this moment a command is refused.
    pub deadline: Option<Timestamp>,
    /// W3C trace context: the caller's, or one that begins with the message's id.
    pub traceparent: Option<String>,
    /// Parameters as sent, without the principal; empty ones are left out.
    pub raw_parameters: serde_json::Map<String, Value>,
}

/// Why a delivery is no request.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RequestError {
    /// The bytes can't be read.
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    /// No such action, or none of this version.
    #[error("unknown action {0:?}")]
    UnknownAction(String),
    /// Readable, but not what the action needs.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Request {
    /// Reads a delivery's envelope: the action, the principal, the id.
    pub fn decode(delivery: &Delivery) -> Result<(Self, &'static ActionSpec), RequestError> {
        let encoding = Encoding::from_content_type(delivery.content_type.as_deref())?;
        let mut map = encoding.decode_map(&delivery.body)?;
        let name = delivery.message_type.as_deref().unwrap_or_default();
        let spec = find_action(name.strip_suffix(".v1").unwrap_or(name))
            .ok_or_else(|| RequestError::UnknownAction(name.to_owned()))?;
        let principal = map.remove("principal").ok_or_else(|| {
            Refusal::new("principal required: {\"customer_id\": <int>, \"role\": \"customer\" or \"admin\"}")
        })?;
        let principal = serde_json::from_value(principal)
            .map_err(|error| Refusal::new(format!("principal must be {{customer_id, role}}: {error}")))?;
        map.retain(|name, value| !(name == "token" || value.is_null() || value.as_str() == Some("")));
        let message_id = message_id(delivery, spec)?;
        refuse_nul(delivery, &map)?;
        let traceparent = match message_id {
            Some(id) => Some(continue_or_start_trace(delivery.traceparent.as_deref(), id)),
            None => delivery.traceparent.clone(),
        };
        let request = Self {
            action: spec.name.to_owned(),
            principal,
            message_id,
            caller: CallerAddress::of(delivery),
            deadline: delivery.deadline,
            traceparent,
            raw_parameters: map,
        };
        Ok((request, spec))
    }

    /// The typed parameters.
    pub fn parameters<A: Action>(&self) -> Result<A, Refusal> {
        lenient::parameters(self.raw_parameters.clone()).map_err(Refusal::new)
    }

    /// The key under which a command is answered once.
    pub fn key(&self) -> Result<CommandKey, Refusal> {
        let message_id = self.message_id.ok_or_else(missing_message_id)?;
        Ok(CommandKey { principal: self.principal.actor(), message_id })
    }

    /// SHA-256 over the action and its canonical parameters: equal for equal meaning, however it was encoded.
    pub fn fingerprint<A: Action>(&self, parameters: &A) -> Vec<u8> {
        // The typed parameters know no aliases and no encodings.
        self.digest(serde_json::to_value(parameters).unwrap_or_default())
    }

    /// The same over the parameters as they were sent, for those that can't be read.
    pub fn raw_fingerprint(&self) -> Vec<u8> {
        self.digest(Value::Object(self.raw_parameters.clone()))
    }

    /// Maps are sorted by key here. What is absent counts nothing, so that a parameter that comes with a later
    /// version changes no fingerprint that was saved before.
    fn digest(&self, mut parameters: Value) -> Vec<u8> {
        if let Value::Object(map) = &mut parameters {
            map.retain(|_, value| !value.is_null());
        }
        Sha256::digest(serde_json::json!([self.action, parameters]).to_string()).to_vec()
    }
}

/// Whose accounts a request may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// This customer's only.
    Customer(CustomerId),
    /// Anybody's: an administrator who named no customer.
    Anyone,
}

impl Scope {
    /// The scope of a caller who sent the parameter `id`, or didn't. A customer may send their own only.
    pub fn of(principal: Principal, id: Option<CustomerId>) -> Result<Self, Refusal> {
        match (principal, id) {
            (Principal::Customer(own), Some(id)) if id != own => {
                Err(Refusal::new("id is for administrators; leave it out, or send your own customer id")
                    .of_kind(RefusalKind::Forbidden))
            }
            (Principal::Customer(own), _) => Ok(Self::Customer(own)),
            (Principal::Admin(_), Some(id)) => Ok(Self::Customer(id)),
            (Principal::Admin(_), None) => Ok(Self::Anyone),
        }
    }

    /// The customer, where it is one.
    pub fn customer_id(self) -> Option<CustomerId> {
        match self {
            Self::Customer(id) => Some(id),
            Self::Anyone => None,
        }
    }
}

fn missing_message_id() -> Refusal {
    Refusal::new("message_id required: commands carry a UUID in the property message_id")
}

/// No text may hold a NUL character: PostgreSQL stores none.
fn refuse_nul(delivery: &Delivery, map: &serde_json::Map<String, Value>) -> Result<(), Refusal> {
    if let Some(name) = parameter_with_nul(map) {
        return Err(Refusal::new(format!("{name} must not contain a NUL character")));
    }
    let properties = [&delivery.correlation_id, &delivery.reply_to, &delivery.traceparent];
    if properties.into_iter().flatten().any(|text| text.contains('\0')) {
        return Err(Refusal::new("properties and headers must not contain a NUL character"));
    }
    Ok(())
}

/// The name of a parameter that holds a NUL character somewhere, in its name or its value; shown with `?` for it.
pub fn parameter_with_nul(map: &serde_json::Map<String, Value>) -> Option<String> {
    let found = map.iter().find(|(name, value)| name.contains('\0') || has_nul(value));
    found.map(|(name, _)| name.replace('\0', "?"))
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(map) => parameter_with_nul(map).is_some(),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn message_id(delivery: &Delivery, spec: &ActionSpec) -> Result<Option<Uuid>, Refusal> {
    match (delivery.message_id.as_deref(), spec.kind) {
        (None, ActionKind::Command) => Err(missing_message_id()),
        (None, ActionKind::Query) => Ok(None),
        (Some(id), ActionKind::Command) => id.parse().map(Some).map_err(|_| {
            Refusal::new(format!("message_id must be a UUID, not {:?}", id.chars().take(80).collect::<String>()))
        }),
        (Some(id), ActionKind::Query) => Ok(id.parse().ok()),
    }
}
