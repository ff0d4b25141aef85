//! What must hold for any request that arrives over HTTP. The fuzzer looks for one for which it doesn't; tests run what
//! it found through the same checks. `fuzz/` has this file and the parsers as modules of its own: this crate would bring it
//! a database.

use std::net::{IpAddr, Ipv4Addr};

use axum::http::Method;
use messages::{ActionSpec, Delivery, Request, RequestError, continue_or_start_trace, parameter_with_nul};
use model::{CustomerId, Principal};
use serde_json::{Map, Value};
use url::form_urlencoded;
use uuid::Uuid;

use crate::domain::call::{Call, message_id};
use crate::domain::client_address::client_address;
use crate::domain::fault::Fault;
use crate::domain::parameters::{self, PAIRS_MAX};
use crate::domain::storage_path;

const FORM: &str = "application/x-www-form-urlencoded";
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const CALLER: Principal = Principal::Customer(CustomerId(7));
const WAIT_SECONDS_MAX: u64 = 25;

/// A request: method, path with query, `Content-Type`, `Authorization`, `Idempotency-Key`, `X-Forwarded-For` and
/// `traceparent` on a line each, then the body.
///
/// # Panics
/// Where a role couldn't read what becomes of the request, where it speaks for another caller, or where parameters
/// written as a form again are read differently.
pub(crate) fn form(data: &[u8]) {
    let mut parts = data.splitn(8, |byte| *byte == b'\n');
    let mut line =
        || parts.next().map(|part| String::from_utf8_lossy(part).into_owned()).filter(|line| !line.is_empty());
    let (method, target, content_type, authorization) = (line(), line(), line(), line());
    let (idempotency_key, forwarded, traceparent) = (line(), line(), line());
    let body = parts.next().unwrap_or_default();

    client_address(PROXY, forwarded.iter().map(String::as_str), &[PROXY]);
    let started = continue_or_start_trace(traceparent.as_deref(), Uuid::max());
    assert_eq!(continue_or_start_trace(Some(&started), Uuid::nil()), started);
    if let (Ok(id), Ok(again)) = (
        message_id(idempotency_key.as_deref().map(str::as_bytes)),
        message_id(idempotency_key.as_deref().map(str::as_bytes)),
    ) {
        assert!(idempotency_key.is_none() || id == again);
    }

    let method = method.and_then(|method| method.parse().ok()).unwrap_or(Method::POST);
    let target = target.unwrap_or_default();
    let (path, query) = target.split_once('?').map_or((target.as_str(), None), |(path, query)| (path, Some(query)));
    let Ok(parameters) = parameters::read(query, content_type.as_deref(), body) else { return };
    let call = if path.starts_with("/storage/") {
        let Ok((spec, name)) = storage_path::resolve(&method, path) else { return };
        Call::of_storage(spec, name, authorization.as_deref(), parameters)
    } else {
        read_again(&parameters);
        match Call::of_s3_php(&method, authorization.as_deref(), parameters) {
            Ok(call) => call,
            Err(Fault::ActionRequired | Fault::UnknownAction(_) | Fault::MethodNotAllowed { .. }) => return,
            Err(other) => panic!("{other:?} is no fault of an action"),
        }
    };
    sent(call);
}

/// What a form said is read again when it is written as a form.
fn read_again(parameters: &Map<String, Value>) {
    let mut pairs = Vec::new();
    if !parameters.iter().all(|(name, value)| flatten(name.clone(), value, 1, &mut pairs)) || pairs.len() > PAIRS_MAX {
        return;
    }
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    if let Ok(again) = parameters::read(None, Some(FORM), form.as_bytes()) {
        assert_eq!(&again, parameters, "{form}");
    }
}

/// Whether a value can be said in a form: texts with plain names only.
fn flatten(name: String, value: &Value, depth: usize, pairs: &mut Vec<(String, String)>) -> bool {
    let inner = |part: &str| (!part.is_empty() && !part.contains(['[', ']'])).then(|| format!("{name}[{part}]"));
    let nested = depth > 1 || !name.contains(['[', ']']);
    match value {
        Value::String(text) => {
            pairs.push((name, text.clone()));
            true
        }
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            nested
                && items.len() > 0
                && items.all(|(index, item)| flatten(format!("{name}[{index}]"), item, depth + 1, pairs))
        }
        Value::Object(map) => {
            let entries =
                map.iter().all(|(part, item)| inner(part).is_some_and(|name| flatten(name, item, depth + 1, pairs)));
            let is_list = (0..map.len()).all(|index| map.contains_key(&index.to_string()));
            nested && entries && !is_list
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A role reads what is sent, as the caller's own.
fn sent(mut call: Call) {
    let spec: &ActionSpec = call.spec;
    if call.take_wait(WAIT_SECONDS_MAX).is_err() || parameter_with_nul(&call.parameters).is_some() {
        return;
    }
    let delivery = Delivery {
        message_type: Some(spec.name.to_owned()),
        content_type: Some("application/json".to_owned()),
        message_id: message_id(None).ok().map(|id| id.to_string()),
        body: call.body(CALLER),
        ..Delivery::default()
    };
    match Request::decode(&delivery) {
        Ok((request, found)) => {
            assert_eq!((request.principal, found.name), (CALLER, spec.name));
            assert!(!request.raw_parameters.contains_key("token"));
        }
        Err(RequestError::Refused(refusal)) => panic!("{}: the envelope was refused: {refusal}", spec.name),
        Err(error) => panic!("{}: a role can't read it: {error}", spec.name),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_corpus_of_requests_holds() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/form");
        let files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!files.is_empty());
        for file in files {
            super::form(&std::fs::read(file).unwrap());
        }
    }
}
