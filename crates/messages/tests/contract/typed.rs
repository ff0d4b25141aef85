//! A sample's name says which type it has; it is read as a client or a role reads it.

use std::fmt::Write;

use messages::{
    Action, ActionVisitor, Delivery, Encoding, Event, EventData, EventVisitor, Request, visit_actions, visit_events,
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

const MESSAGE_ID: &str = "0193500b-1f6a-7c11-8d2e-3a4b5c6d7e8f";

/// What was read, written again.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    /// The value, without what is absent.
    pub(crate) value: Value,
    /// A request's fingerprint.
    pub(crate) fingerprint: Option<String>,
}

/// Reads a sample with today's types.
pub(crate) fn read(sample: &str, encoding: Encoding, body: &[u8]) -> Result<Seen, String> {
    let (kind, name) = sample.split_once('.').expect("samples are called <kind>.<name>");
    let mut reader = Reader { kind, name, encoding, body, seen: None };
    match (kind, name) {
        ("reply", "failure") => reader.seen = Some(reader.plain::<Failure>()),
        ("reply", "storage_failure") => reader.seen = Some(reader.plain::<Envelope<Value>>()),
        ("event", _) => visit_events(&mut reader),
        _ => visit_actions(&mut reader),
    }
    reader.seen.unwrap_or_else(|| Err(format!("nothing is called {name}")))
}

#[derive(Serialize, Deserialize)]
struct Failure {
    code: i64,
    message: String,
    details: Option<Value>,
}

#[derive(Serialize, Deserialize)]
struct Success<R> {
    result: String,
    action: String,
    #[serde(flatten)]
    body: R,
}

#[derive(Serialize, Deserialize)]
struct Envelope<R> {
    code: u16,
    message: String,
    result: R,
}

struct Reader<'a> {
    kind: &'a str,
    name: &'a str,
    encoding: Encoding,
    body: &'a [u8],
    seen: Option<Result<Seen, String>>,
}

impl Reader<'_> {
    fn plain<T: Serialize + DeserializeOwned>(&self) -> Result<Seen, String> {
        let value: T = self.encoding.decode(self.body).map_err(|error| error.to_string())?;
        Ok(Seen { value: present(&value), fingerprint: None })
    }

    fn request<A: Action>(&self) -> Result<Seen, String> {
        let delivery = Delivery {
            message_type: Some(self.name.to_owned()),
            content_type: Some(self.encoding.content_type().to_owned()),
            message_id: Some(MESSAGE_ID.to_owned()),
            body: self.body.to_vec(),
            ..Delivery::default()
        };
        let (request, spec) = Request::decode(&delivery).map_err(|error| error.to_string())?;
        assert_eq!((request.action.as_str(), spec.name), (self.name, self.name));
        let parameters: A = request.parameters().map_err(|refusal| refusal.message)?;
        let mut value = present(&parameters);
        value["principal"] = json!(request.principal);
        let fingerprint = request.fingerprint(&parameters).iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a string takes text");
            hex
        });
        Ok(Seen { value, fingerprint: Some(fingerprint) })
    }

    fn event<D: EventData>(&self) -> Result<Seen, String> {
        let mut event: Event = self.encoding.decode(self.body).map_err(|error| error.to_string())?;
        let data: D = serde_json::from_value(event.data).map_err(|error| error.to_string())?;
        event.data = json!(data);
        Ok(Seen { value: json!(event), fingerprint: None })
    }
}

impl ActionVisitor for Reader<'_> {
    fn visit<A, R>(&mut self, name: &'static str)
    where
        A: Action + JsonSchema,
        R: Serialize + DeserializeOwned + JsonSchema,
    {
        if name == self.name {
            self.seen = Some(match self.kind {
                "reply" if name.starts_with("storage_") => self.plain::<Envelope<R>>(),
                "reply" => self.plain::<Success<R>>(),
                _ => self.request::<A>(),
            });
        }
    }
}

impl EventVisitor for Reader<'_> {
    fn visit<D: EventData + JsonSchema>(&mut self, name: &'static str) {
        if name == self.name {
            self.seen = Some(self.event::<D>());
        }
    }
}

/// A map's fields, without those that are absent.
fn present(value: &impl Serialize) -> Value {
    match json!(value) {
        Value::Object(map) => {
            Value::Object(map.into_iter().filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>())
        }
        other => other,
    }
}
