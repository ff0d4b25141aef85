//! Sending a call over each of the transports.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use messages::{ActionKind, Encoding, find_action};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Map, Value, json};
use test_support::amqp::{self, AmqpCaller};
use uuid::Uuid;

use crate::case::{Caller, Case, Door, RawRequest, Transport};
use crate::expect::{Variables, substitute, substitute_text};

/// The namespace in which the gateway makes ids of keys that are no UUIDs.
const KEY_NAMESPACE: Uuid = Uuid::from_u128(0x4f2c_6d1e_8a0b_4b5e_9f37_c1d2_e3a4_b596);
const BAD_TOKEN: &str = "ps_nobody-has-issued-this-token-0123456789abcde";

/// Where calls go.
#[derive(Debug)]
pub(crate) struct Doors {
    pub(crate) http: Client,
    pub(crate) gateway_url: String,
    /// The PHP drop-in, where it runs.
    pub(crate) php_url: Option<String>,
    pub(crate) amqp: AmqpCaller,
}

/// What was sent and what came, as far as the transport has it.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) sent: String,
    /// Over HTTP only.
    pub(crate) status: Option<u16>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

/// Whether nothing was done, and the answer asks for another try: what an overloaded machine answers, not the API.
pub(crate) fn asks_to_try_again(body: &Value) -> bool {
    body["message"].as_str().is_some_and(|message| message.ends_with("please try again"))
}

/// Sends a call as `caller`.
pub(crate) async fn send(
    doors: &Doors,
    transport: Transport,
    case: &Case,
    caller: Caller,
    variables: &Variables,
) -> Result<Exchange> {
    if let Some(raw) = &case.raw {
        return send_raw(doors, case, raw, variables).await;
    }
    let Value::Object(parameters) = substitute(&Value::Object(case.with.clone()), variables)? else {
        unreachable!("a map stays a map")
    };
    match case.door() {
        _ if transport.is_amqp() => send_amqp(doors, transport, case, caller, parameters, variables).await,
        Door::Page { page, action } => {
            let php = doors.php_url.as_ref().filter(|_| transport == Transport::Php && page == "s3.php");
            let url = format!("{}/{page}", php.unwrap_or(&doors.gateway_url));
            let mut parameters = parameters;
            if !action.is_empty() {
                parameters.insert("action".to_owned(), json!(action));
            }
            send_http(doors, transport, case, caller, &url, parameters, variables).await
        }
        Door::Storage { verb } => {
            let mut parameters = parameters;
            let mut url = format!("{}/storage/{verb}", doors.gateway_url);
            if verb != "create"
                && let Some(name) = parameters.remove("name")
            {
                url = format!("{url}/{}", name.as_str().unwrap_or_default());
            }
            send_http(doors, transport, case, caller, &url, parameters, variables).await
        }
    }
}

async fn send_http(
    doors: &Doors,
    transport: Transport,
    case: &Case,
    caller: Caller,
    url: &str,
    mut parameters: Map<String, Value>,
    variables: &Variables,
) -> Result<Exchange> {
    let methods = case.http_methods();
    let method = match transport {
        Transport::HttpQuery if methods.contains(&"GET") => "GET",
        _ => methods.iter().copied().find(|method| *method != "GET").unwrap_or("GET"),
    };
    let mut bearer = None;
    if let Some(token) = token(caller, variables)? {
        if method == "GET" && transport == Transport::HttpJson {
            bearer = Some(token);
        } else {
            parameters.insert("token".to_owned(), json!(token));
        }
    }
    let sent = format!("{method} {url} {}", Value::Object(parameters.clone()));
    let request = doors.http.request(method.parse::<Method>()?, url);
    let request = match transport {
        _ if method == "GET" => request.query(&pairs(&parameters)),
        Transport::HttpQuery => request.query(&pairs(&parameters)),
        Transport::HttpJson => request.json(&parameters),
        _ => request.form(&pairs(&parameters)),
    };
    let request = match bearer {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    finish_http(request, sent, case, variables).await
}

async fn send_raw(doors: &Doors, case: &Case, raw: &RawRequest, variables: &Variables) -> Result<Exchange> {
    let url = format!("{}{}", doors.gateway_url, substitute_text(&raw.path, variables)?);
    let body = substitute_text(&raw.body, variables)?;
    let body = raw.body_bytes.map_or(body, |length| "a".repeat(length));
    let sent = format!("{} {url} {}", raw.method, body.chars().take(200).collect::<String>());
    let mut request = doors.http.request(raw.method.parse::<Method>()?, url).body(body);
    if let Some(content_type) = &raw.content_type {
        request = request.header("Content-Type", content_type);
    }
    finish_http(request, sent, case, variables).await
}

async fn finish_http(request: RequestBuilder, sent: String, case: &Case, variables: &Variables) -> Result<Exchange> {
    // One that idles is closed in the end, perhaps just when it is used again.
    let mut request = request.header("Connection", "close");
    for (name, value) in &case.headers {
        request = request.header(name, substitute_text(value, variables)?);
    }
    if let Some(key) = &case.key {
        request = request.header("Idempotency-Key", key);
    }
    let answer = request.send().await.with_context(|| sent.clone())?;
    let status = answer.status().as_u16();
    let header = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    let headers = answer.headers().iter().filter_map(header).collect();
    let text = answer.text().await.with_context(|| sent.clone())?;
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(Exchange { sent, status: Some(status), headers, body })
}

async fn send_amqp(
    doors: &Doors,
    transport: Transport,
    case: &Case,
    caller: Caller,
    parameters: Map<String, Value>,
    variables: &Variables,
) -> Result<Exchange> {
    let number = |name: &str| variables.get(name).and_then(Value::as_i64).context("nobody has this name");
    let principal = match caller {
        Caller::Customer => amqp::customer(number("customer_id")?),
        Caller::OtherCustomer => amqp::customer(number("other_customer_id")?),
        Caller::Admin => amqp::admin(),
        Caller::Nobody | Caller::BadToken => Value::Null,
    };
    let encoding = if transport == Transport::AmqpJson { Encoding::Json } else { Encoding::MessagePack };
    let is_command = find_action(case.call()).is_some_and(|spec| spec.kind == ActionKind::Command);
    let message_id = match case.key.as_deref() {
        Some("") => None,
        Some(key) => Some(key.parse().unwrap_or_else(|_| Uuid::new_v5(&KEY_NAMESPACE, key.as_bytes()))),
        None => is_command.then(Uuid::now_v7),
    };
    let sent = format!("{} {} as {principal}", case.call(), Value::Object(parameters.clone()));
    let php = doors.amqp.asking_for(principal);
    let message = php.message(case.call(), Value::Object(parameters), encoding, message_id)?;
    let body = php.call_raw(message).await?.with_context(|| sent.clone())?;
    Ok(Exchange { sent, status: None, headers: BTreeMap::new(), body })
}

fn token(caller: Caller, variables: &Variables) -> Result<Option<String>> {
    let name = match caller {
        Caller::Customer => "customer_token",
        Caller::OtherCustomer => "other_token",
        Caller::Admin => "admin_token",
        Caller::Nobody => return Ok(None),
        Caller::BadToken => return Ok(Some(BAD_TOKEN.to_owned())),
    };
    let token = variables.get(name).and_then(Value::as_str);
    Ok(Some(token.with_context(|| format!("there is no ${name} here"))?.to_owned()))
}

/// Parameters as PHP reads them: `map[name]=value`.
fn pairs(parameters: &Map<String, Value>) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let mut pairs = Vec::new();
    for (name, value) in parameters {
        match value {
            Value::Object(map) => pairs.extend(map.iter().map(|(key, value)| (format!("{name}[{key}]"), text(value)))),
            value => pairs.push((name.clone(), text(value))),
        }
    }
    pairs
}
