//! `/s3.php`: reads a request, asks the role that answers its action over the broker, and shows the reply as it is.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bus::{Message, RpcError};
use messages::{ActionKind, Encoding};
use model::Principal;
use tracing::{error, warn};
use uuid::Uuid;

use crate::Gateway;
use crate::domain::answer::{Fault, IDEMPOTENCY_KEY};
use crate::domain::call::{Call, message_id};
use crate::domain::{parameters, trace_context};
use crate::observe::Observed;
use crate::tokens::{self, TokenError};

/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Roles read no larger message.
const MESSAGE_BYTES_MAX: usize = 1_048_576;

/// GET and POST.
pub(crate) async fn handle(State(gateway): State<Gateway>, request: Request) -> Response {
    let mut observed = Observed::default();
    let mut response = match answer(&gateway, request, &mut observed).await {
        Ok(reply) => reply,
        Err(fault) => fault.into_response(),
    };
    response.extensions_mut().insert(observed);
    response
}

/// Any other method.
pub(crate) async fn method_not_allowed() -> Fault {
    Fault::MethodNotAllowed { action: None, allow: "GET, POST" }
}

/// Any other path.
pub(crate) async fn not_found() -> Fault {
    Fault::NotFound
}

async fn answer(gateway: &Gateway, request: Request, observed: &mut Observed) -> Result<Response, Fault> {
    let method = request.method().clone();
    let headers = request.headers().clone();
    let query = request.uri().query().map(str::to_owned);
    let body = body(gateway, request).await?;
    let parameters = parameters::read(query.as_deref(), text(&headers, header::CONTENT_TYPE), &body)?;

    let call = Call::of(&method, text(&headers, header::AUTHORIZATION), parameters)?;
    observed.action = Some(call.spec.name);
    let principal = principal(gateway, &call).await?;
    observed.actor = Some(principal.actor());
    let requests_max = gateway.config.requests_per_customer_max;
    let _place = gateway.admission.admit(principal).ok_or(Fault::TooManyRequests { requests_max })?;

    let id = message_id(headers.get(IDEMPOTENCY_KEY).map(header::HeaderValue::as_bytes))?;
    observed.message_id = Some(id);
    let message = message(gateway, &call, principal, id, &headers)?;
    ask(gateway, &call, message, id).await
}

async fn body(gateway: &Gateway, request: Request) -> Result<Bytes, Fault> {
    let bytes_max = gateway.config.body_bytes_max;
    match tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(Fault::BodyTooLarge { bytes_max })
        }
        Ok(Err(rejection)) => Err(Fault::BadRequest(format!("the body can't be read: {rejection}"))),
        Err(_) => Err(Fault::BodyTimeout),
    }
}

fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

async fn principal(gateway: &Gateway, call: &Call) -> Result<Principal, Fault> {
    let token = call.token.as_deref().ok_or(Fault::TokenRequired)?;
    match tokens::resolve(&gateway.pool, token, gateway.clock.now()).await {
        Ok(principal) => Ok(principal),
        Err(TokenError::Invalid | TokenError::Revoked) => Err(Fault::TokenInvalid),
        Err(TokenError::Expired) => Err(Fault::TokenExpired),
        Err(TokenError::Database(error)) => {
            error!(%error, "tokens can't be checked");
            Err(Fault::Unavailable("tokens can't be checked at the moment"))
        }
    }
}

fn message(
    gateway: &Gateway,
    call: &Call,
    principal: Principal,
    id: Uuid,
    headers: &HeaderMap,
) -> Result<Message, Fault> {
    let body = call.body(principal);
    if body.len() > MESSAGE_BYTES_MAX {
        return Err(Fault::BodyTooLarge { bytes_max: gateway.config.body_bytes_max });
    }
    let query = call.spec.kind == ActionKind::Query;
    let traceparent = text(headers, "traceparent");
    let mut message = Message::new(call.exchange(), call.spec.name, body);
    message.message_type = Some(call.spec.name.to_owned());
    message.content_type = Some(Encoding::Json.content_type().to_owned());
    message.message_id = Some(id.to_string());
    message.app_id = Some("purser-gateway".to_owned());
    message.timestamp = Some(gateway.clock.now());
    message.headers.insert("traceparent".to_owned(), trace_context::continue_or_start(traceparent).into());
    message.persistent = !query;
    message.mandatory = true;
    // A query that nobody waits for any more is not worth answering.
    message.expiration_ms = query.then_some(gateway.config.reply_wait_seconds * 1000);
    Ok(message)
}

async fn ask(gateway: &Gateway, call: &Call, message: Message, id: Uuid) -> Result<Response, Fault> {
    let command_id = (call.spec.kind == ActionKind::Command).then_some(id);
    let wait_seconds = gateway.config.reply_wait_seconds;
    if !gateway.bus.is_connected() {
        return Err(Fault::Unavailable("the message broker is away at the moment"));
    }
    let reply = match gateway.rpc.call(message, Duration::from_secs(wait_seconds)).await {
        Ok(reply) => reply,
        Err(RpcError::Timeout) => return Err(Fault::TimedOut { command_id, wait_seconds }),
        Err(RpcError::Unconfirmed(reason)) => {
            warn!(action = call.spec.name, reason, "the broker was lost on the way");
            return Err(Fault::Lost { command_id });
        }
        Err(failure @ (RpcError::Unroutable | RpcError::Rejected | RpcError::Refused(_))) => {
            error!(action = call.spec.name, %failure, "the broker takes no such request");
            return Err(Fault::Unavailable("nobody works on this kind of request at the moment"));
        }
        Err(RpcError::Invalid(reason)) => return Err(Fault::BadRequest(reason)),
    };
    if Encoding::from_content_type(reply.content_type.as_deref()) != Ok(Encoding::Json) {
        error!(action = call.spec.name, content_type = reply.content_type, "a role's reply is no JSON");
        return Err(Fault::Unreadable);
    }
    Ok(([(header::CONTENT_TYPE, Encoding::Json.content_type())], reply.body).into_response())
}
