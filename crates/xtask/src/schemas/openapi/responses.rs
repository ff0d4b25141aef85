//! Answers that many paths have in common, and the headers around them.

use serde_json::{Map, Value, json};

use super::schema_ref;

/// Name, status, what it means, and the headers that come with it.
const FAULTS: [(&str, u16, &str, &[&str]); 10] = [
    ("BadRequest", 400, "The request can't be read.", &[]),
    (
        "Unauthorized",
        401,
        "The token or the API key is missing, unknown, expired, or bound to another address.",
        &["WWW-Authenticate"],
    ),
    ("MethodNotAllowed", 405, "The action or the path takes other methods.", &["Allow"]),
    ("BodyTimeout", 408, "The body did not arrive in time.", &[]),
    ("BodyTooLarge", 413, "The body is larger than is read.", &[]),
    ("UnsupportedMediaType", 415, "The body is neither a form nor JSON.", &[]),
    ("TooManyRequests", 429, "Too many requests under way, or too many failed logins.", &["Retry-After"]),
    ("Unreadable", 502, "A worker answered with something that can't be shown.", &[]),
    ("Unavailable", 503, "Nobody can answer at the moment.", &["Retry-After", "Idempotency-Key"]),
    ("TimedOut", 504, "No answer in time.", &["Retry-After", "Idempotency-Key"]),
];

/// The headers of answers.
pub(super) fn headers() -> Value {
    json!({
        "Allow": {"description": "The methods that it takes.", "schema": {"type": "string"}},
        "Idempotency-Key": {
            "description": "The command's id: sent again under it, the request is answered and not carried out twice.",
            "schema": {"type": "string", "format": "uuid"},
        },
        "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
        "WWW-Authenticate": {"description": "`Bearer`.", "schema": {"type": "string"}},
    })
}

/// The request's header that makes a command the same command.
pub(super) fn idempotency_key_parameter() -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header", "required": false,
        "description": "For commands: a UUID, or any other text that is yours alone; over AMQP, `message_id`.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        "example": "order-4711",
    })
}

/// The gateway's own refusals in both shapes, by name.
pub(super) fn faults() -> Map<String, Value> {
    let mut responses = Map::new();
    for (name, status, description, headers) in FAULTS {
        responses.insert(
            name.to_owned(),
            response(description, headers, "failure", &json!({"code": -1, "message": description})),
        );
        let example = json!({"code": status, "message": description, "result": {}});
        responses.insert(format!("Storage{name}"), response(description, headers, "storage_failure", &example));
    }
    responses
}

/// References to them, by status; `prefix` picks the shape.
pub(super) fn fault_refs(prefix: &str) -> Map<String, Value> {
    let reference = |name: &str| json!({"$ref": format!("#/components/responses/{prefix}{name}")});
    FAULTS.iter().map(|(name, status, _, _)| (status.to_string(), reference(name))).collect()
}

fn response(description: &str, headers: &[&str], schema: &str, example: &Value) -> Value {
    let headers: Map<_, _> = headers
        .iter()
        .map(|name| ((*name).to_owned(), json!({"$ref": format!("#/components/headers/{name}")})))
        .collect();
    json!({
        "description": description,
        "headers": headers,
        "content": {"application/json": {"schema": schema_ref(schema), "example": example}},
    })
}
