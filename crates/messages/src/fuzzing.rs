//! What must hold for any bytes that a role takes from a queue. The fuzzer looks for bytes for which it doesn't; tests
//! run what it found through the same checks.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    Action, ActionVisitor, CallerAddress, Delivery, Encoding, Envelope, Event, EventData, EventVisitor, Refusal, Reply,
    Request, RequestError, visit_actions, visit_events,
};

/// Values nested deeper are read as JSON, but not as MessagePack.
const DEPTH_MAX: usize = 24;
const ENCODINGS: [Encoding; 2] = [Encoding::MessagePack, Encoding::Json];

type ActionCheck = fn(&Delivery, &Request, &[String]);
type EventCheck = fn(&Value);

#[derive(Default)]
struct Actions(BTreeMap<&'static str, (Vec<String>, ActionCheck)>);

impl ActionVisitor for Actions {
    fn visit<A, R>(&mut self, name: &'static str)
    where
        A: Action + JsonSchema,
        R: Serialize + DeserializeOwned + JsonSchema,
    {
        let mut names = Vec::new();
        collect_properties(schemars::schema_for!(A).as_value(), &mut names);
        self.0.insert(name, (names, typed_request::<A>));
    }
}

/// The names of all properties in a schema, wherever they are defined.
fn collect_properties(schema: &Value, names: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            names.extend(map.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys).cloned());
            map.values().for_each(|inner| collect_properties(inner, names));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect_properties(inner, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[derive(Default)]
struct Events(BTreeMap<&'static str, EventCheck>);

impl EventVisitor for Events {
    fn visit<D: EventData + JsonSchema>(&mut self, name: &'static str) {
        self.0.insert(name, typed_event::<D>);
    }
}

static ACTIONS: LazyLock<Actions> = LazyLock::new(|| {
    let mut actions = Actions::default();
    visit_actions(&mut actions);
    actions
});

static EVENTS: LazyLock<Events> = LazyLock::new(|| {
    let mut events = Events::default();
    visit_events(&mut events);
    events
});

/// A command or query: `type`, `content_type`, `message_id` and `reply_to` on a line each, then the body.
///
/// # Panics
/// Where a refusal says nothing or names no parameter, or what was read isn't read again the same in both encodings.
pub fn message(data: &[u8]) {
    let mut parts = data.splitn(5, |byte| *byte == b'\n');
    let mut line =
        || parts.next().map(|part| String::from_utf8_lossy(part).into_owned()).filter(|line| !line.is_empty());
    let (message_type, content_type, message_id, reply_to) = (line(), line(), line(), line());
    let body = parts.next().unwrap_or_default().to_vec();
    let delivery = Delivery { message_type, content_type, message_id, reply_to, body, ..Delivery::default() };
    let caller = CallerAddress::of(&delivery);
    assert!(caller.is_none_or(|caller| crate::is_answerable(&caller.reply_to, "")));
    match Request::decode(&delivery) {
        Ok((request, spec)) => {
            let (names, check) = &ACTIONS.0[spec.name];
            check(&delivery, &request, names);
        }
        Err(RequestError::Refused(refusal)) => told(&delivery, &refusal),
        Err(error) => told(&delivery, &Refusal::new(error.to_string())),
    }
}

/// An event of a role: the content type on a line, then the body.
///
/// # Panics
/// Where what was read isn't read again the same in both encodings.
pub fn event(data: &[u8]) {
    let (content_type, body) = data.split_at(data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len()));
    let content_type = String::from_utf8_lossy(content_type);
    let Ok(encoding) = Encoding::from_content_type(Some(&content_type)) else { return };
    let Ok(event) = encoding.decode::<Event>(body.get(1..).unwrap_or_default()) else { return };
    assert_eq!(Envelope::event(&event, None).message_type, event.event);
    if let Some(check) = EVENTS.0.get(event.event.as_str()) {
        check(&event.data);
    }
    if !is_plain(&event.data, DEPTH_MAX) {
        return;
    }
    for encoding in ENCODINGS {
        let body = encoding.encode(&event).expect("what was read can be written");
        assert_eq!(encoding.decode::<Event>(&body).as_ref(), Ok(&event), "{encoding:?}");
    }
}

fn typed_request<A: Action>(delivery: &Delivery, request: &Request, names: &[String]) {
    let parameters = match request.parameters::<A>() {
        Ok(parameters) => parameters,
        Err(refusal) => {
            let is_named =
                |name: &String| [name, &name.replace('_', " ")].iter().any(|name| refusal.message.contains(*name));
            let says_which = names.iter().any(is_named);
            assert!(says_which, "{}: no parameter is named by {:?}", request.action, refusal.message);
            told(delivery, &refusal);
            return;
        }
    };
    for encoding in ENCODINGS {
        let Ok(Value::Object(mut map)) = serde_json::to_value(&parameters) else { panic!("parameters are a map") };
        map.insert("principal".to_owned(), serde_json::json!(request.principal));
        let body = encoding.encode(&map).expect("what was read can be written");
        let content_type = Some(encoding.content_type().to_owned());
        let again = Delivery { content_type, body, ..delivery.clone() };
        let (again, _) = Request::decode(&again).expect("what was written can be read");
        assert_eq!(again.principal, request.principal);
        let parameters_again = again.parameters::<A>().expect("what was written can be read");
        let (digest, digest_again) = (request.fingerprint(&parameters), again.fingerprint(&parameters_again));
        assert_eq!(digest, digest_again, "{}: {map:?} by {encoding:?}", request.action);
    }
}

fn typed_event<D: EventData>(data: &Value) {
    let Ok(typed) = D::deserialize(data) else { return };
    let written = serde_json::to_value(&typed).expect("what was read can be written");
    let typed_again = D::deserialize(&written).expect("what was written can be read");
    assert_eq!(serde_json::to_value(&typed_again).expect("as before"), written, "{}", D::EVENT);
}

/// Whoever sent it can be told, in both encodings.
fn told(delivery: &Delivery, refusal: &Refusal) {
    assert!(!refusal.message.trim().is_empty());
    let reply = Reply::refused(delivery.message_type.as_deref().unwrap_or_default(), refusal);
    assert!(reply.is_refusal());
    for encoding in ENCODINGS {
        let body = reply.encode(encoding).expect("a refusal can be written");
        assert!(encoding.decode_map(&body).expect("a refusal can be read").contains_key("message"));
    }
}

/// Without fractions, whose last digit JSON may change, and not too deep.
fn is_plain(value: &Value, depth_max: usize) -> bool {
    let inner = |value: &Value| depth_max > 0 && is_plain(value, depth_max - 1);
    match value {
        Value::Number(number) => !number.is_f64(),
        Value::Array(items) => items.iter().all(inner),
        Value::Object(map) => map.values().all(inner),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_corpus_of_messages_and_events_holds() {
        for (target, check) in [("message", super::message as fn(&[u8])), ("event", super::event)] {
            let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
            let files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert!(!files.is_empty(), "{}", dir.display());
            for file in files {
                check(&std::fs::read(&file).unwrap());
            }
        }
    }
}
