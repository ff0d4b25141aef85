//! JSON Schemas of requests, replies and events, each complete in itself.

use std::collections::BTreeMap;

use messages::{ActionSpec, Api, Event, RoleName};
use model::Principal;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// An integer or its decimal text, as forms send it.
const INTEGER_TEXT: &str = r"^\s*[+-]?[0-9]+\s*$";
/// The same; an empty text counts as left out.
const OPTIONAL_INTEGER_TEXT: &str = r"^(\s*[+-]?[0-9]+\s*)?$";

/// Which way a type travels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To Purser.
    Read,
    /// From Purser.
    Written,
}

/// A type's schema without references.
pub(crate) fn of<T: JsonSchema>(direction: Direction) -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let settings = match direction {
        Direction::Read => settings.for_deserialize(),
        Direction::Written => settings.for_serialize(),
    };
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    tidy(&mut schema);
    let Value::Object(mut map) = schema else { return Map::new() };
    for name in ["$schema", "title"] {
        map.remove(name);
    }
    map
}

/// Drops what says nothing elsewhere: `"default": null`, number formats that no validator knows, links between types.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.retain(|name, value| !(name == "default" && value.is_null()));
            if map
                .get("format")
                .and_then(Value::as_str)
                .is_some_and(|format| format.starts_with("uint") || format == "int8")
            {
                map.remove("format");
            }
            if let Some(Value::String(description)) = map.get_mut("description") {
                *description = description.replace("[`", "`").replace("`]", "`").replace('\n', " ");
            }
            map.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// The names of a schema's properties.
pub(crate) fn property_names(schema: &Map<String, Value>) -> Vec<&str> {
    properties(schema).map(|(name, _)| name.as_str()).collect()
}

/// A schema's properties.
pub(crate) fn properties(schema: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

/// The names of the properties that must be there.
pub(crate) fn required(schema: &Map<String, Value>) -> Vec<String> {
    let names = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    names.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Numbers may come as text where callers fill in forms.
pub(crate) fn loosen_integers(schema: &mut Map<String, Value>) {
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    for property in properties.values_mut().filter_map(Value::as_object_mut) {
        if property.get("type") == Some(&json!("integer")) {
            property.insert("type".to_owned(), json!(["integer", "string"]));
            property.insert("pattern".to_owned(), json!(INTEGER_TEXT));
        } else if property.get("type") == Some(&json!(["integer", "null"])) {
            property.insert("type".to_owned(), json!(["integer", "string", "null"]));
            property.insert("pattern".to_owned(), json!(OPTIONAL_INTEGER_TEXT));
        }
    }
}

/// Adds the other names as deprecated properties; what is required may come under either name.
pub(crate) fn add_aliases(schema: &mut Map<String, Value>, aliases: &BTreeMap<&str, &str>) {
    let mut either = Vec::new();
    let required = required(schema);
    for (alias, name) in aliases {
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            let mut property = properties.get(*name).cloned().unwrap_or_default();
            property["description"] = json!(format!("Another name of `{name}`."));
            property["deprecated"] = json!(true);
            properties.insert((*alias).to_owned(), property);
        }
        if required.iter().any(|required| required == name) {
            either.push(json!({"anyOf": [{"required": [name]}, {"required": [alias]}]}));
        }
    }
    if !either.is_empty() {
        let rest: Vec<_> = required.into_iter().filter(|name| !aliases.values().any(|other| other == name)).collect();
        schema.insert("required".to_owned(), json!(rest));
        schema.insert("allOf".to_owned(), json!(either));
    }
}

/// Adds a property that must be there.
pub(crate) fn add_required(schema: &mut Map<String, Value>, name: &str, property: Value) {
    let mut names = required(schema);
    names.push(name.to_owned());
    names.sort();
    schema.insert("required".to_owned(), json!(names));
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    properties[name] = property;
}

/// Who is asking: every request over AMQP says so.
pub(crate) fn principal() -> Value {
    let mut schema = of::<Principal>(Direction::Read);
    let description =
        "Who is asking. Only trusted publishers are believed; over HTTP the gateway fills it in from the token.";
    schema.insert("description".to_owned(), json!(description));
    schema.insert("if".to_owned(), json!({"properties": {"role": {"const": "customer"}}}));
    schema.insert(
        "then".to_owned(),
        json!({"required": ["customer_id"], "properties": {"customer_id": {"type": "integer"}}}),
    );
    Value::Object(schema)
}

/// A reply's schema: the body's fields beside `result` and `action`, or in `/storage`'s envelope.
pub(crate) fn success(spec: &ActionSpec, mut body: Map<String, Value>) -> Map<String, Value> {
    if spec.api != Api::Storage {
        // The reply of `get_user_info` says under which name it is kept.
        let action = if spec.name == "get_user_info" { "get_buckets_rmq" } else { spec.name };
        add_required(&mut body, "result", json!({"const": "OK"}));
        add_required(&mut body, "action", json!({"const": action}));
        return body;
    }
    let (code, message) = if spec.name == "storage_create" { (201, "created") } else { (200, "ok") };
    let mut envelope = Map::from_iter([("type".to_owned(), json!("object"))]);
    add_required(&mut envelope, "code", json!({"const": code}));
    add_required(&mut envelope, "message", json!({"const": message}));
    add_required(&mut envelope, "result", Value::Object(body));
    envelope
}

/// A refusal, as `s3.php` and roles write it.
pub(crate) fn failure() -> Value {
    json!({
        "type": "object", "required": ["code", "message"],
        "properties": {
            "code": {"const": -1},
            "message": {"type": "string", "description": "What was wrong and what would be right."},
            "details": {"type": "object", "description": "More for machines, where there is more."},
        },
    })
}

/// A refusal, as `/storage` writes it.
pub(crate) fn storage_failure() -> Value {
    json!({
        "type": "object", "required": ["code", "message", "result"],
        "properties": {
            "code": {"type": "integer", "minimum": 400, "maximum": 599, "description": "Also the HTTP status."},
            "message": {"type": "string", "description": "What was wrong and what would be right."},
            "result": {"type": "object", "description": "Empty, or more for machines."},
        },
    })
}

/// An event: the envelope that all share, with its own data.
pub(crate) fn event(name: &str, role: RoleName, data: Map<String, Value>) -> Map<String, Value> {
    let mut schema = of::<Event>(Direction::Written);
    let description = data.get("description").cloned();
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        let mut replace = |name: &str, constant: Value| {
            let described = properties.get(name).and_then(|property| property.get("description")).cloned();
            properties.insert(name.to_owned(), constant);
            if let Some(description) = described {
                properties[name]["description"] = description;
            }
        };
        replace("event", json!({"const": name}));
        replace("source", json!({"const": format!("/purser/{role}")}));
        replace("data", Value::Object(data));
    }
    schema.extend(description.map(|description| ("description".to_owned(), description)));
    schema
}
