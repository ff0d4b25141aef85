//! `/eq_callback.php`: what has become of commands that take longer than their callers wait.

use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::response::Response;
use messages::{ActionKind, Api, RoleName, find_action};
use serde_json::{Value, json};
use tracing::error;
use uuid::Uuid;

use super::{finish, ok};
use crate::Gateway;
use crate::callbacks;
use crate::credentials::digest;
use crate::domain::call::take_token;
use crate::domain::callback;
use crate::domain::fault::{Fault, Shape};
use crate::domain::parameters::take_text;
use crate::incoming::{Incoming, session};
use crate::observe::Observed;

/// GET and POST.
pub(crate) async fn handle(State(gateway): State<Gateway>, request: Request) -> Response {
    let mut observed = Observed::default();
    let answer = answer(&gateway, request, &mut observed).await;
    finish(answer.map(ok), Shape::S3Php, observed)
}

async fn answer(gateway: &Gateway, request: Request, observed: &mut Observed) -> Result<Value, Fault> {
    let mut incoming = Incoming::read(gateway, request).await?;
    let _place = gateway.place(RoleName::Gateway, false)?;
    let action = take_text(&mut incoming.parameters, "action").ok_or(Fault::ActionRequired)?;
    match action.as_str() {
        "check" => {
            observed.action = Some("check");
            check(gateway, incoming).await
        }
        "register" => {
            observed.action = Some("register");
            register(gateway, incoming, observed).await
        }
        _ => Err(Fault::UnknownAction(action)),
    }
}

/// Whoever has the key may ask, as often as they like.
async fn check(gateway: &Gateway, mut incoming: Incoming) -> Result<Value, Fault> {
    let key = take_text(&mut incoming.parameters, "key").ok_or_else(|| Fault::Invalid("key required".to_owned()))?;
    let (address, digest, now) = (incoming.address, digest(&key), gateway.clock.now());
    if let Some(retry_after_seconds) = gateway.callback_limit.blocked_seconds(address, &digest, now) {
        return Err(Fault::TooManyGuesses { what: "callback keys", retry_after_seconds });
    }
    match callbacks::find(&gateway.pool, &digest, now).await {
        Ok(Some(command)) => {
            gateway.callback_limit.succeeded(&digest);
            Ok(callback::shown(&command, &key))
        }
        Ok(None) => {
            gateway.callback_limit.failed(address, now);
            Err(Fault::Invalid("AsyncKey not found".to_owned()))
        }
        Err(error) => Err(unavailable(&error)),
    }
}

/// A key for a command that was sent over AMQP. It shows commands of the token's owner only: whose command an id
/// names depends on who asks.
async fn register(gateway: &Gateway, mut incoming: Incoming, observed: &mut Observed) -> Result<Value, Fault> {
    if incoming.method != Method::POST {
        return Err(Fault::MethodNotAllowed { action: Some("register"), allow: "POST" });
    }
    let mut parameters = std::mem::take(&mut incoming.parameters);
    let token = take_token(&mut parameters, incoming.header(header::AUTHORIZATION));
    let principal = session(gateway, token.as_deref(), incoming.address).await?.principal;
    observed.actor = Some(principal.actor());
    let message_id: Uuid = take_text(&mut parameters, "message_id")
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Fault::Invalid("message_id must be the UUID under which the command was sent".to_owned()))?;
    observed.message_id = Some(message_id);
    let command = take_text(&mut parameters, "command").unwrap_or_default();
    let spec = find_action(&command)
        .filter(|spec| spec.kind == ActionKind::Command && spec.api != Api::Internal)
        .ok_or_else(|| Fault::Invalid("command must be the name of an action that changes something".to_owned()))?;
    let now = gateway.clock.now();
    match callbacks::register(&gateway.pool, principal, message_id, spec.name, now).await {
        Ok(key) => Ok(json!({ "result": "OK", "key": key })),
        Err(error) => Err(unavailable(&error)),
    }
}

fn unavailable(error: &sqlx::Error) -> Fault {
    error!(%error, "callback keys can't be reached");
    Fault::Unavailable("callback keys can't be checked at the moment")
}
