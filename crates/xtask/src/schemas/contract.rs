//! Everything that the documents are made of: per action and per event its words, its schemas and its samples.

use std::collections::BTreeMap;

use anyhow::{Error, Result};
use messages::{
    Action, ActionKind, ActionSpec, ActionVisitor, EVENTS, EventData, EventVisitor, Reply, RoleName, find_action,
    visit_actions, visit_events,
};
use model::{CustomerId, Principal};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::aliases;
use super::json_schema::{self, Direction};
use super::samples::{self, Sample};

/// An action with all that is known about it.
pub(crate) struct ActionEntry {
    /// Its row in the table.
    pub(crate) spec: &'static ActionSpec,
    /// What it does.
    pub(crate) description: String,
    /// The parameters, without principal and aliases.
    pub(crate) parameters: Map<String, Value>,
    /// Other names of parameters, with the names that they mean.
    pub(crate) aliases: BTreeMap<&'static str, &'static str>,
    /// The success.
    pub(crate) reply: Map<String, Value>,
    /// Sample parameters.
    pub(crate) sample: Map<String, Value>,
    /// A sample success.
    pub(crate) reply_sample: Value,
    /// A typical refusal.
    pub(crate) failure_sample: Value,
}

impl ActionEntry {
    /// `commands` or `queries`.
    pub(crate) fn kind(&self) -> &'static str {
        match self.spec.kind {
            ActionKind::Command => "commands",
            ActionKind::Query => "queries",
        }
    }

    /// `command` or `query`.
    pub(crate) fn kind_singular(&self) -> &'static str {
        match self.spec.kind {
            ActionKind::Command => "command",
            ActionKind::Query => "query",
        }
    }

    /// The parameters with their other names: what HTTP takes.
    pub(crate) fn http_request(&self) -> Map<String, Value> {
        let mut schema = self.parameters.clone();
        json_schema::add_aliases(&mut schema, &self.aliases);
        schema
    }

    /// The same with the principal: what travels over AMQP.
    pub(crate) fn amqp_request(&self) -> Map<String, Value> {
        let mut schema = self.http_request();
        json_schema::add_required(&mut schema, "principal", json_schema::principal());
        schema
    }

    /// A sample message's body.
    pub(crate) fn amqp_sample(&self) -> Value {
        let principal = match self.spec.name {
            "add_payment" | "update_traffic_info" | "get_users" => Principal::Admin(None),
            _ => Principal::Customer(CustomerId(1)),
        };
        let mut body = self.sample.clone();
        body.insert("principal".to_owned(), json!(principal));
        Value::Object(body)
    }
}

/// An event with all that is known about it.
pub(crate) struct EventEntry {
    /// `ce-type` and routing key.
    pub(crate) name: &'static str,
    /// Who publishes it.
    pub(crate) role: RoleName,
    /// What it says.
    pub(crate) description: String,
    /// The whole event.
    pub(crate) schema: Map<String, Value>,
    /// A sample event.
    pub(crate) sample: Value,
}

/// All actions and events, by name.
#[derive(Default)]
pub(crate) struct Contract {
    /// The actions.
    pub(crate) actions: Vec<ActionEntry>,
    /// The events.
    pub(crate) events: Vec<EventEntry>,
    error: Option<Error>,
}

impl Contract {
    /// Asks the types.
    pub(crate) fn collect() -> Result<Self> {
        let mut contract = Self::default();
        visit_actions(&mut contract);
        visit_events(&mut contract);
        contract.actions.sort_by_key(|action| action.spec.name);
        contract.events.sort_by_key(|event| event.name);
        contract.error.take().map_or(Ok(contract), Err)
    }

    /// Each schema under its path, with `$id` and title.
    pub(crate) fn schemas(&self) -> BTreeMap<String, Value> {
        let mut schemas = BTreeMap::new();
        for action in &self.actions {
            let (name, kind) = (action.spec.name, action.kind());
            let reply = describe(action.reply.clone(), &format!("The reply to {name}."));
            schemas.insert(format!("{kind}/{name}"), document(kind, name, action.amqp_request()));
            schemas.insert(format!("replies/{name}"), document("replies", name, reply));
        }
        for event in &self.events {
            schemas.insert(format!("events/{}", event.name), document("events", event.name, event.schema.clone()));
        }
        for (name, description, schema) in [
            ("failure", "A refusal by s3.php or over AMQP.", json_schema::failure()),
            ("storage_failure", "A refusal by /storage, or of its actions.", json_schema::storage_failure()),
        ] {
            let Value::Object(schema) = schema else { continue };
            let schema = describe(schema, description);
            schemas.insert(format!("replies/{name}"), document("replies", name, schema));
        }
        schemas
    }

    /// Each sample under its file's name.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        for action in &self.actions {
            let (name, kind) = (action.spec.name, action.kind_singular());
            samples.push(Sample { file: format!("{kind}.{name}"), value: action.amqp_sample() });
            samples.push(Sample { file: format!("reply.{name}"), value: action.reply_sample.clone() });
        }
        for event in &self.events {
            samples.push(Sample { file: format!("event.{}", event.name), value: event.sample.clone() });
        }
        for (file, action) in [("reply.failure", "get_files"), ("reply.storage_failure", "storage_info")] {
            let value = self.action(action).map(|action| action.failure_sample.clone()).unwrap_or_default();
            samples.push(Sample { file: file.to_owned(), value });
        }
        samples
    }

    /// An action by its name.
    pub(crate) fn action(&self, name: &str) -> Option<&ActionEntry> {
        self.actions.iter().find(|action| action.spec.name == name)
    }

    fn keep(&mut self, added: Result<()>) {
        if let Err(error) = added {
            self.error.get_or_insert(error);
        }
    }
}

impl ActionVisitor for Contract {
    fn visit<A, R>(&mut self, name: &'static str)
    where
        A: Action + JsonSchema,
        R: Serialize + DeserializeOwned + JsonSchema,
    {
        let added = action::<A, R>(name).map(|action| self.actions.extend(action));
        self.keep(added);
    }
}

impl EventVisitor for Contract {
    fn visit<D: EventData + JsonSchema>(&mut self, name: &'static str) {
        let added = event::<D>(name).map(|event| self.events.extend(event));
        self.keep(added);
    }
}

fn action<A: Action + JsonSchema, R: JsonSchema>(name: &'static str) -> Result<Option<ActionEntry>> {
    let Some(spec) = find_action(name) else { return Ok(None) };
    let mut parameters = json_schema::of::<A>(Direction::Read);
    let names = json_schema::property_names(&parameters);
    let aliases = aliases::of::<A>(&names)?;
    if spec.api != messages::Api::Internal {
        json_schema::loosen_integers(&mut parameters);
    }
    let failure = Reply::refused(name, &samples::refusal(name));
    Ok(Some(ActionEntry {
        spec,
        description: text(&parameters, "description"),
        parameters,
        aliases,
        reply: json_schema::success(spec, json_schema::of::<R>(Direction::Written)),
        sample: samples::request(name)?,
        reply_sample: samples::reply(name)?,
        failure_sample: serde_json::from_str(failure.as_json_text())?,
    }))
}

fn event<D: EventData + JsonSchema>(name: &'static str) -> Result<Option<EventEntry>> {
    let Some((_, role)) = EVENTS.iter().find(|(event, _)| *event == name).copied() else { return Ok(None) };
    let schema = json_schema::event(name, role, json_schema::of::<D>(Direction::Written));
    let sample = serde_json::to_value(samples::event(name, role)?)?;
    Ok(Some(EventEntry { name, role, description: text(&schema, "description"), schema, sample }))
}

fn text(schema: &Map<String, Value>, name: &str) -> String {
    schema.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn describe(mut schema: Map<String, Value>, description: &str) -> Map<String, Value> {
    schema.entry("description").or_insert_with(|| json!(description));
    schema
}

fn document(kind: &str, name: &str, mut schema: Map<String, Value>) -> Value {
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("$id".to_owned(), json!(format!("urn:purser:{kind}:{name}")));
    schema.insert("title".to_owned(), json!(name));
    Value::Object(schema)
}
