//! `/s3.php`: one path for all actions, told apart by the parameter `action`.

use messages::{ActionKind, Api};
use serde_json::{Map, Value, json};

use super::{responses, schema_ref};
use crate::schemas::contract::{ActionEntry, Contract};
use crate::schemas::json_schema;

/// The path.
pub(super) fn s3_php(contract: &Contract) -> Value {
    let all: Vec<_> = contract.actions.iter().filter(|action| action.spec.api == Api::S3Php).collect();
    let by_get: Vec<_> = all.iter().copied().filter(|action| !action.spec.post_only).collect();
    json!({
        "get": {
            "tags": ["s3.php"], "operationId": "s3_php_get",
            "summary": "Calls an action that may be called by GET.",
            "parameters": [
                {"$ref": "#/components/parameters/IdempotencyKey"},
                {
                    "name": "parameters", "in": "query", "required": true, "style": "form", "explode": true,
                    "description": "Each property is a parameter of the query string.",
                    "schema": one_of(&by_get),
                    "examples": examples(&by_get),
                },
            ],
            "responses": answers(&by_get),
        },
        "post": {
            "tags": ["s3.php"], "operationId": "s3_php_post",
            "summary": "Calls an action.",
            "parameters": [{"$ref": "#/components/parameters/IdempotencyKey"}],
            "requestBody": {"required": true, "content": {
                "application/x-www-form-urlencoded": {"schema": one_of(&all), "examples": examples(&all)},
                "application/json": {"schema": one_of(&all), "examples": examples(&all)},
            }},
            "responses": answers(&all),
        },
    })
}

/// An action's parameters as `/s3.php` takes them.
pub(super) fn request(action: &ActionEntry) -> Value {
    let mut schema = action.http_request();
    json_schema::add_required(&mut schema, "action", json!({"const": action.spec.name}));
    add_common(&mut schema, action.spec.kind);
    Value::Object(schema)
}

/// Adds the parameters that the gateway itself reads.
pub(super) fn add_common(schema: &mut Map<String, Value>, kind: ActionKind) {
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    properties["token"] = json!({"type": "string", "description": "The token, where the header has none."});
    if kind == ActionKind::Command {
        properties["wait"] = wait();
    }
}

/// How long the answer is waited for.
pub(super) fn wait() -> Value {
    json!({
        "type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]*$",
        "description": "For how many seconds the answer is waited for, at most; the gateway's own limit where absent.",
    })
}

fn one_of(actions: &[&ActionEntry]) -> Value {
    let name = |action: &ActionEntry| format!("{}.request", action.spec.name);
    let mapping: Map<_, _> = actions
        .iter()
        .map(|action| (action.spec.name.to_owned(), json!(format!("#/components/schemas/{}", name(action)))))
        .collect();
    json!({
        "oneOf": actions.iter().map(|action| schema_ref(&name(action))).collect::<Vec<_>>(),
        "discriminator": {"propertyName": "action", "mapping": mapping},
    })
}

fn examples(actions: &[&ActionEntry]) -> Map<String, Value> {
    let example = |action: &ActionEntry| {
        let mut value = action.sample.clone();
        value.insert("action".to_owned(), json!(action.spec.name));
        json!({"summary": action.description, "value": value})
    };
    actions.iter().map(|action| (action.spec.name.to_owned(), example(action))).collect()
}

/// 200 holds successes, refusals and callback keys; what the gateway refuses has statuses of its own.
fn answers(actions: &[&ActionEntry]) -> Value {
    let replies = actions.iter().map(|action| schema_ref(&format!("{}.reply", action.spec.name)));
    let schemas: Vec<_> = replies.chain([schema_ref("accepted"), schema_ref("failure")]).collect();
    let mut examples = Map::new();
    for action in actions {
        examples.insert(action.spec.name.to_owned(), json!({"value": action.reply_sample}));
        examples.insert(format!("{}.refused", action.spec.name), json!({"value": action.failure_sample}));
    }
    let accepted = json!({"result": "OK", "action": "delete_account", "callback": "9f86d081884c7d659a2feaa0c55ad015"});
    examples.insert("accepted".to_owned(), json!({"value": accepted}));
    let mut answers = responses::fault_refs("");
    answers.insert(
        "200".to_owned(),
        json!({
            "description": "A success, a refusal (`code` is -1), or the callback key of a command that goes on.",
            "headers": {"Idempotency-Key": {"$ref": "#/components/headers/Idempotency-Key"}},
            "content": {"application/json": {"schema": {"anyOf": schemas}, "examples": examples}},
        }),
    );
    Value::Object(answers)
}
