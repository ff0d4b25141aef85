//! What a schema asks for, in a few words.

use serde_json::Value;

/// The type of a value.
pub(super) fn kind(schema: &Value) -> String {
    if let Some(constant) = schema.get("const") {
        return format!("`{}`", plain(constant));
    }
    for name in ["oneOf", "anyOf"] {
        if let Some(choices) = schema.get(name).and_then(Value::as_array) {
            let words: Vec<_> = choices.iter().map(kind).filter(|words| words != "nothing").collect();
            return words.join(" or ");
        }
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<_> =
            values.iter().filter(|value| !value.is_null()).map(|value| format!("`{}`", plain(value))).collect();
        return words.join(" or ");
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    let first = types.iter().find(|name| **name != "null").copied();
    let words = match (first, schema.get("format").and_then(Value::as_str)) {
        (Some("string"), Some("date-time")) => "time",
        (Some("string"), Some("date")) => "day",
        (Some("string"), Some("uuid")) => "UUID",
        (Some("string"), _) => "text",
        (Some("array"), _) => return format!("list of {}", schema.get("items").map_or_else(String::new, plural)),
        (Some("object"), _) => "map",
        (Some(name), _) => name,
        (None, _) => "nothing",
    };
    words.to_owned()
}

fn plural(items: &Value) -> String {
    match kind(items).as_str() {
        "text" => "texts".to_owned(),
        "map" => "maps".to_owned(),
        other => other.to_owned(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
