//! Asking the role that answers an action, over the broker.

use std::time::Duration;

use axum::http::{HeaderValue, header};
use bus::{Message, RpcError};
use messages::{ActionKind, Encoding, NOBODY, continue_or_start_trace, parameter_with_nul, trace_id};
use model::Principal;
use runtime::traces::Origin;
use sha2::{Digest, Sha256};
use tracing::{error, warn};
use uuid::Uuid;

use crate::Gateway;
use crate::callbacks;
use crate::domain::call::{Call, message_id};
use crate::domain::fault::{Fault, IDEMPOTENCY_KEY};
use crate::incoming::{Incoming, session};
use crate::observe::{Observed, span};

/// Roles read no larger message.
const MESSAGE_BYTES_MAX: usize = 1_048_576;
/// Enough for a role to say what it has said before.
const KNOWN_WAIT_SECONDS: u64 = 2;

/// What a caller is told.
pub(crate) enum Answer {
    /// The role's reply: JSON as it came.
    Reply(Vec<u8>),
    /// The command goes on; the key leads to its end.
    Callback {
        /// For `eq_callback.php`.
        key: String,
        /// The command's id.
        id: Uuid,
    },
}

/// Checks the token, finds a place for the request, sends it, and waits for as long as the caller wants.
pub(crate) async fn ask(
    gateway: &Gateway,
    mut call: Call,
    incoming: &Incoming,
    observed: &mut Observed,
) -> Result<Answer, Fault> {
    observed.action = Some(call.spec.name);
    let requests_max = gateway.config.requests_per_customer_max;
    let too_many = || Fault::TooManyRequests { requests_max };
    // A caller with too much under way must not cost the database anything either.
    let by_token = call.token.as_ref().map(|token| gateway.by_token.admit(Sha256::digest(token).into()));
    let token_place = by_token.map(|place| place.ok_or_else(too_many)).transpose()?;
    let is_only = token_place.as_ref().is_some_and(|place| place.is_only);
    let _place = gateway.place(call.spec.role, is_only)?;
    gateway.check_broker()?;
    let principal = session(gateway, call.token.as_deref(), incoming.address).await?.principal;
    observed.actor = Some(principal.actor());
    let _principal_place = gateway.by_principal.admit(principal).ok_or_else(too_many)?;

    let mut wait_seconds = call.take_wait(gateway.config.reply_wait_seconds)?;
    if let Some(name) = parameter_with_nul(&call.parameters) {
        return Err(Fault::Invalid(format!("{name} must not contain a NUL character")));
    }
    let own_key = incoming.headers.get(IDEMPOTENCY_KEY).map(HeaderValue::as_bytes);
    let id = message_id(own_key)?;
    observed.message_id = Some(id);
    let traceparent = incoming.header("traceparent");
    let span = span(&incoming.method, Origin { traceparent, message_id: Some(id) }, incoming.started);
    let traceparent = span.traceparent().unwrap_or_else(|| continue_or_start_trace(traceparent, id));
    observed.span = Some(span);
    observed.trace_id = trace_id(&traceparent).map(str::to_owned);
    let message = message(gateway, &call, principal, id, traceparent)?;
    let command_id = (call.spec.kind == ActionKind::Command).then_some(id);
    if wait_seconds == 0 && own_key.is_some() && callbacks::is_known(&gateway.pool, principal, id).await {
        // Sent before: its answer, or what is wrong with asking again, is at hand.
        wait_seconds = KNOWN_WAIT_SECONDS;
    }
    let mut kept = None;
    let answered = if let (0, Some(id)) = (wait_seconds, command_id) {
        // Before the command leaves: who gives up at once must have the key.
        let key = callbacks::register(&gateway.pool, principal, id, call.spec.name, gateway.clock.now()).await;
        kept = Some(key.map_err(|error| {
            error!(%error, "a callback key can't be kept");
            Fault::Unavailable("callback keys can't be kept at the moment")
        })?);
        send_off(gateway, message).await.and(Err(RpcError::Timeout))
    } else {
        gateway.rpc.call(message, Duration::from_secs(wait_seconds)).await
    };
    let action = call.spec.name;
    match answered {
        Ok(reply) if Encoding::from_content_type(reply.content_type.as_deref()) == Ok(Encoding::Json) => {
            Ok(Answer::Reply(reply.body))
        }
        Ok(reply) => {
            error!(action, content_type = reply.content_type, "a role's reply is no JSON");
            Err(Fault::Unreadable)
        }
        Err(RpcError::Timeout) => match (kept, command_id) {
            (Some(key), Some(id)) => Ok(Answer::Callback { key, id }),
            _ => later(gateway, principal, command_id, action, wait_seconds).await,
        },
        Err(RpcError::Unconfirmed(reason)) => {
            warn!(action, reason, "the broker was lost on the way");
            Err(Fault::Lost { command_id })
        }
        // The broker failed on its way; a copy may be safe all the same.
        Err(RpcError::Rejected) if command_id.is_some() => Err(Fault::Lost { command_id }),
        Err(failure @ (RpcError::Unroutable | RpcError::Rejected | RpcError::Refused(_))) => {
            error!(action, error = %failure, "the broker takes no such request");
            Err(Fault::Unavailable("nobody works on this kind of request at the moment"))
        }
        Err(RpcError::Invalid(reason)) => Err(Fault::BadRequest(reason)),
    }
}

/// Sends a command whose reply nobody waits for; it is with the broker afterwards.
async fn send_off(gateway: &Gateway, mut message: Message) -> Result<(), RpcError> {
    // Without an address a refusal would be kept aside for a person; its caller finds it by the callback key.
    message.reply_to = Some(NOBODY.to_owned());
    let limit = Duration::from_secs(gateway.config.reply_wait_seconds);
    match tokio::time::timeout(limit, gateway.bus.publisher().publish(message)).await {
        Ok(published) => Ok(published?),
        Err(_) => Err(RpcError::Unconfirmed("the broker confirms nothing".to_owned())),
    }
}

/// A key for a command that goes on. Without one the caller can still ask again under the command's id.
async fn later(
    gateway: &Gateway,
    principal: Principal,
    command_id: Option<Uuid>,
    action: &'static str,
    wait_seconds: u64,
) -> Result<Answer, Fault> {
    let Some(id) = command_id else { return Err(Fault::TimedOut { command_id, wait_seconds }) };
    match callbacks::register(&gateway.pool, principal, id, action, gateway.clock.now()).await {
        Ok(key) => Ok(Answer::Callback { key, id }),
        Err(error) => {
            error!(%error, action, "a callback key can't be kept");
            Err(Fault::TimedOut { command_id, wait_seconds })
        }
    }
}

fn message(
    gateway: &Gateway,
    call: &Call,
    principal: Principal,
    id: Uuid,
    traceparent: String,
) -> Result<Message, Fault> {
    let body = call.body(principal);
    if body.len() > MESSAGE_BYTES_MAX {
        return Err(Fault::BodyTooLarge { bytes_max: gateway.config.body_bytes_max });
    }
    let query = call.spec.kind == ActionKind::Query;
    let mut message = Message::new(call.exchange(), call.spec.name, body);
    message.message_type = Some(call.spec.name.to_owned());
    message.content_type = Some(Encoding::Json.content_type().to_owned());
    message.message_id = Some(id.to_string());
    message.app_id = Some("purser-gateway".to_owned());
    message.timestamp = Some(gateway.clock.now());
    message.headers.insert("traceparent".to_owned(), traceparent.into());
    message.persistent = !query;
    message.mandatory = true;
    // A query that nobody waits for any more is not worth answering.
    message.expiration_ms = query.then_some(gateway.config.reply_wait_seconds * 1000);
    Ok(message)
}

/// The header that names a command's id.
pub(crate) fn idempotency_key(id: Uuid) -> [(header::HeaderName, String); 1] {
    [(IDEMPOTENCY_KEY, id.to_string())]
}
