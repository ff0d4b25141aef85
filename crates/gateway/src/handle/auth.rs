//! `/auth.php`: tokens for API keys.

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::Response;
use chrono::SecondsFormat;
use messages::{ACTIONS, Api, RoleName};
use model::{Principal, PrincipalRole, Timestamp};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tracing::error;

use super::{finish, ok};
use crate::Gateway;
use crate::api_keys;
use crate::credentials::digest;
use crate::domain::call::take_token;
use crate::domain::fault::{Fault, Shape};
use crate::domain::login::Login;
use crate::domain::parameters::take_text;
use crate::incoming::{Incoming, session};
use crate::observe::Observed;
use crate::tokens;

/// Actions that a customer's token never reaches.
const ADMIN_ACTIONS: [&str; 1] = ["update_traffic_info"];

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
        "login" => {
            observed.action = Some("login");
            login(gateway, incoming, observed).await
        }
        "info" => {
            observed.action = Some("info");
            info(gateway, incoming, observed).await
        }
        "logout" => {
            observed.action = Some("logout");
            logout(gateway, incoming, observed).await
        }
        _ => Err(Fault::UnknownAction(action)),
    }
}

async fn login(gateway: &Gateway, mut incoming: Incoming, observed: &mut Observed) -> Result<Value, Fault> {
    let Login { key, ttl, is_bound } = Login::of(&mut incoming.parameters)?;
    let (address, now) = (incoming.address, gateway.clock.now());
    if let Some(retry_after_seconds) = gateway.login_limit.blocked_seconds(address, &digest(&key), now) {
        return Err(Fault::TooManyLogins { retry_after_seconds });
    }
    let Some(key) = api_keys::find_valid(&gateway.pool, &key, now).await.map_err(|error| unavailable(&error))? else {
        gateway.login_limit.failed(address, now);
        tracing::info!(%address, "a login with a wrong API key");
        return Err(Fault::ApiKeyInvalid);
    };
    observed.actor = Some(key.principal.actor());
    let bound_address = is_bound.then_some(address);
    let (token, session) =
        tokens::log_in(&gateway.pool, &key, ttl, bound_address, now).await.map_err(|error| unavailable(&error))?;
    let result = json!({
        "token": token.expose_secret(),
        "role": session.principal.role(),
        "customer_id": session.principal.customer_id(),
        "expires_at": iso(session.expires_at),
        "ttl": (session.expires_at - now).num_seconds(),
        "fix_ip": i32::from(session.is_bound),
    });
    Ok(json!({ "result": result, "action": "login" }))
}

async fn info(gateway: &Gateway, mut incoming: Incoming, observed: &mut Observed) -> Result<Value, Fault> {
    let token = token(&mut incoming);
    let session = session(gateway, token.as_deref(), incoming.address).await?;
    observed.actor = Some(session.principal.actor());
    let result = json!({
        "role": session.principal.role(),
        "customer_id": session.principal.customer_id(),
        "expires_at": iso(session.expires_at),
        "fix_ip": i32::from(session.is_bound),
        "actions": actions(session.principal),
    });
    Ok(json!({ "result": result, "action": "info" }))
}

async fn logout(gateway: &Gateway, mut incoming: Incoming, observed: &mut Observed) -> Result<Value, Fault> {
    let token = token(&mut incoming).ok_or(Fault::TokenRequired)?;
    let session = session(gateway, Some(&token), incoming.address).await?;
    observed.actor = Some(session.principal.actor());
    match tokens::revoke(&gateway.pool, &token, gateway.clock.as_ref()).await {
        Ok(_) => Ok(json!({ "result": "OK", "action": "logout" })),
        Err(error) => Err(unavailable(&error)),
    }
}

fn token(incoming: &mut Incoming) -> Option<String> {
    let mut parameters = std::mem::take(&mut incoming.parameters);
    take_token(&mut parameters, incoming.header(header::AUTHORIZATION))
}

fn actions(principal: Principal) -> Vec<&'static str> {
    let is_admin = principal.role() == PrincipalRole::Admin;
    let names = ACTIONS.iter().filter(|spec| spec.api != Api::Internal).map(|spec| spec.name);
    names.filter(|name| is_admin || !ADMIN_ACTIONS.contains(name)).collect()
}

fn iso(time: Timestamp) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn unavailable(error: &dyn std::fmt::Display) -> Fault {
    error!(%error, "API keys and tokens can't be reached");
    Fault::Unavailable("logins can't be checked at the moment")
}
