//! `/storage/…`: a path per action.

use messages::ActionKind;
use serde_json::{Map, Value, json};

use super::{calls, responses, schema_ref};
use crate::schemas::contract::{ActionEntry, Contract};
use crate::schemas::json_schema;

/// Path, action, and the methods that it takes.
const ROUTES: [(&str, &str, &[&str]); 7] = [
    ("/storage/prices", "storage_prices", &["get"]),
    ("/storage/info", "storage_info", &["get"]),
    ("/storage/info/{name}", "storage_info", &["get"]),
    ("/storage/create", "storage_create", &["post"]),
    ("/storage/delete/{name}", "storage_delete", &["delete", "post"]),
    ("/storage/undelete/{name}", "storage_undelete", &["delete", "post"]),
    ("/storage/newpassword/{name}", "storage_newpassword", &["get", "post"]),
];

/// The paths.
pub(super) fn paths(contract: &Contract) -> Map<String, Value> {
    let mut paths = Map::new();
    for (path, name, methods) in ROUTES {
        let Some(action) = contract.action(name) else { continue };
        let operations: Map<_, _> =
            methods.iter().map(|method| ((*method).to_owned(), operation(path, method, action))).collect();
        paths.insert(path.to_owned(), Value::Object(operations));
    }
    paths
}

fn operation(path: &str, method: &str, action: &ActionEntry) -> Value {
    let name = action.spec.name;
    let is_command = action.spec.kind == ActionKind::Command;
    let has_body = name == "storage_create";
    let mut parameters = Vec::new();
    for (parameter, schema) in json_schema::properties(&action.parameters) {
        if parameter == "name" && path.ends_with("{name}") {
            parameters.push(json!({
                "name": "name", "in": "path", "required": true, "schema": {"type": "string"},
                "description": "The package.", "example": action.sample.get("name"),
            }));
        } else if parameter != "name" {
            let mut schema = schema.clone();
            let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
            parameters.push(json!({
                "name": parameter, "in": "query", "required": false, "schema": schema, "description": description,
            }));
        }
    }
    if is_command {
        parameters.push(json!({"$ref": "#/components/parameters/IdempotencyKey"}));
        parameters.push(json!({"name": "wait", "in": "query", "required": false, "schema": calls::wait()}));
    }
    let suffix = if path.ends_with("{name}") && name == "storage_info" { "_one" } else { "" };
    let mut operation = json!({
        "tags": ["storage"], "operationId": format!("{name}{suffix}_{method}"), "summary": action.description,
        "parameters": parameters, "responses": answers(action),
    });
    if has_body {
        let mut schema = action.http_request();
        calls::add_common(&mut schema, action.spec.kind);
        let content = json!({"schema": schema, "example": action.sample});
        operation["requestBody"] = json!({
            "required": true,
            "content": {"application/x-www-form-urlencoded": content, "application/json": content},
        });
    }
    operation
}

fn answers(action: &ActionEntry) -> Value {
    let name = action.spec.name;
    let mut answers = responses::fault_refs("Storage");
    let status = action.reply_sample["code"].as_u64().unwrap_or(200).to_string();
    let mut insert = |status: &str, description: &str, schema: &str, example: &Value| {
        let content = json!({"schema": schema_ref(schema), "example": example});
        answers
            .insert(status.to_owned(), json!({"description": description, "content": {"application/json": content}}));
    };
    insert(&status, "Done.", &format!("{name}.reply"), &action.reply_sample);
    if action.spec.kind == ActionKind::Command {
        let accepted =
            json!({"code": 202, "message": "accepted", "result": {"callback": "9f86d081884c7d659a2feaa0c55ad015"}});
        insert("202", "The command goes on; the key leads to its end.", "storage_accepted", &accepted);
    }
    for (status, description, message) in [
        (403, "The caller may not do that.", "id is for administrators; leave it out, or send your own customer id"),
        (404, "There is no such thing, or it is somebody else's.", "package not found"),
        (409, "It can't be done in the present state.", "the S3 account's service is not cancelled"),
        (422, "A parameter is wrong.", "name required"),
    ] {
        let example = json!({"code": status, "message": message, "result": {}});
        insert(&status.to_string(), description, "storage_failure", &example);
    }
    Value::Object(answers)
}
