//! `/auth.php` and `/eq_callback.php`, which the gateway answers itself.

use serde_json::{Map, Value, json};

use super::{responses, schema_ref};

const TOKEN: &str = "ps_Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6";
const KEY: &str = "9f86d081884c7d659a2feaa0c55ad015";

/// Tokens for API keys.
pub(super) fn auth_php() -> Value {
    let login =
        json!({"action": "login", "key": "pk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG", "ttl": 7200, "fix_ip": 0});
    let requests = json!({
        "login": {"value": login},
        "info": {"value": {"action": "info", "token": TOKEN}},
        "logout": {"value": {"action": "logout", "token": TOKEN}},
    });
    let session = json!({"role": "customer", "customer_id": 1, "expires_at": "2026-11-22T03:02:03Z", "fix_ip": 0});
    let (mut logged_in, mut info) = (session.clone(), session);
    (logged_in["token"], logged_in["ttl"]) = (json!(TOKEN), json!(7200));
    info["actions"] = json!(["create_bucket", "list_plans"]);
    let replies = json!({
        "login": {"value": {"result": logged_in, "action": "login"}},
        "info": {"value": {"result": info, "action": "info"}},
        "logout": {"value": {"result": "OK", "action": "logout"}},
        "wrong_parameter": {"value": {"code": -1, "message": "ttl must be an integer from 60 to 86400 (seconds)"}},
    });
    path(
        "auth",
        "auth_php",
        "Logs in with an API key, shows what a token is good for, or ends it.",
        &requests,
        &replies,
    )
}

/// What has become of commands.
pub(super) fn eq_callback_php() -> Value {
    let message_id = "0193500b-1f6a-7c11-8d2e-3a4b5c6d7e8f";
    let register = json!({"action": "register", "message_id": message_id, "command": "delete_account"});
    let requests = json!({
        "check": {"value": {"action": "check", "key": KEY}},
        "register": {"summary": "By POST: a key for a command that was sent over AMQP.", "value": register},
    });
    let reply = json!({"result": "OK", "action": "delete_account", "cancellation_date": "2026-11-22 01:02:03"});
    let finished = |state: &str, scope: &str, reply: Value| {
        json!({
            "result": "OK", "state": state, "scope": scope, "reply": reply, "debug": null, "key": KEY,
            "context": {"action": "delete_account", "id": null, "location": null},
        })
    };
    let missing = "S3 account not found for this customer";
    let late = "the command came too late";
    let progress = json!({"objects_total": 12000, "objects_deleted": 5000});
    let replies = json!({
        "running": {"value": {"result": "Not ready", "state": "running", "key": KEY, "progress": progress}},
        "done": {"value": finished("done", "The S3 account was deleted.", reply)},
        "failed": {"value": finished("failed", missing, json!({"code": -1, "message": missing}))},
        "cancelled": {"value": finished(
            "cancelled", late, json!({"code": -1, "message": late, "details": {"cancelled": true}}),
        )},
        "registered": {"value": {"result": "OK", "key": KEY}},
        "unknown": {"value": {"code": -1, "message": "AsyncKey not found"}},
    });
    path("callbacks", "eq_callback_php", "Asks what has become of a command, by its callback key.", &requests, &replies)
}

fn path(tag: &str, id: &str, summary: &str, requests: &Value, replies: &Value) -> Value {
    let (request, reply) = (format!("{id}.request"), format!("{id}.reply"));
    let mut answers = responses::fault_refs("");
    let schema = json!({"anyOf": [schema_ref(&reply), schema_ref("failure")]});
    let content = json!({"application/json": {"schema": schema, "examples": replies}});
    answers.insert("200".to_owned(), json!({"description": "The answer, or a refusal.", "content": content}));
    let parameters = json!({
        "name": "parameters", "in": "query", "required": true, "style": "form", "explode": true,
        "description": "Each property is a parameter of the query string.", "schema": schema_ref(&request),
    });
    let body = json!({"schema": schema_ref(&request), "examples": requests});
    let security = json!([{}, {"bearer": []}, {"token": []}]);
    json!({
        "get": {
            "tags": [tag], "operationId": format!("{id}_get"), "summary": summary, "security": security,
            "parameters": [parameters], "responses": answers,
        },
        "post": {
            "tags": [tag], "operationId": format!("{id}_post"), "summary": summary, "security": security,
            "requestBody": {
                "required": true, "content": {"application/x-www-form-urlencoded": body, "application/json": body},
            },
            "responses": answers,
        },
    })
}

/// Their schemas by name.
pub(super) fn schemas() -> Map<String, Value> {
    [
        ("auth_php.request", auth_request()),
        ("auth_php.reply", auth_reply()),
        ("eq_callback_php.request", callback_request()),
        ("eq_callback_php.reply", callback_reply()),
    ]
    .into_iter()
    .map(|(name, schema)| (name.to_owned(), schema))
    .collect()
}

fn auth_request() -> Value {
    let ttl = json!({
        "type": ["integer", "string"], "minimum": 60, "maximum": 86400, "default": 7200, "pattern": "^[0-9]*$",
        "description": "For how many seconds the token is to be valid.",
    });
    let fix_ip = json!({
        "enum": [0, 1, "0", "1", true, false, "true", "false", ""], "default": 0,
        "description": "1: the token is valid from the caller's address only.",
    });
    let with_token = |action: &str| {
        let token = json!({"type": "string", "description": "The token, where the header has none."});
        json!({
            "type": "object", "title": action, "required": ["action"],
            "properties": {"action": {"const": action}, "token": token},
        })
    };
    json!({"oneOf": [
        {
            "type": "object", "title": "login", "required": ["action", "key"],
            "properties": {
                "action": {"const": "login"},
                "key": {"type": "string", "description": "The API key: `pk_…`."},
                "ttl": ttl,
                "fix_ip": fix_ip,
            },
        },
        with_token("info"),
        with_token("logout"),
    ]})
}

fn auth_reply() -> Value {
    let session = json!({
        "role": {"enum": ["customer", "admin"]},
        "customer_id": {"type": ["integer", "null"]},
        "expires_at": {"type": "string", "format": "date-time"},
        "fix_ip": {"enum": [0, 1]},
    });
    let (mut login, mut info) = (session.clone(), session);
    login["token"] = json!({"type": "string", "pattern": "^ps_"});
    login["ttl"] = json!({"type": "integer", "description": "Seconds."});
    info["actions"] =
        json!({"type": "array", "items": {"type": "string"}, "description": "What the token may be used for."});
    let reply = |action: &str, properties: Value| {
        let names: Vec<_> = properties.as_object().into_iter().flat_map(Map::keys).cloned().collect();
        json!({
            "type": "object", "title": action, "required": ["result", "action"],
            "properties": {
                "action": {"const": action},
                "result": {"type": "object", "required": names, "properties": properties},
            },
        })
    };
    json!({"oneOf": [
        reply("login", login),
        reply("info", info),
        {
            "type": "object", "title": "logout", "required": ["result", "action"],
            "properties": {"action": {"const": "logout"}, "result": {"const": "OK"}},
        },
    ]})
}

fn callback_request() -> Value {
    json!({"oneOf": [
        {
            "type": "object", "title": "check", "required": ["action", "key"],
            "properties": {"action": {"const": "check"}, "key": {"type": "string", "description": "The callback key."}},
        },
        {
            "type": "object", "title": "register", "required": ["action", "message_id", "command"],
            "properties": {
                "action": {"const": "register"},
                "token": {"type": "string", "description": "The token, where the header has none."},
                "message_id": {"type": "string", "format": "uuid", "description": "The command's id."},
                "command": {"type": "string", "description": "The command's name."},
            },
        },
    ]})
}

fn callback_reply() -> Value {
    let key = json!({"type": "string", "pattern": "^[0-9a-f]{32}$"});
    let count = |description: &str| json!({"type": "integer", "minimum": 0, "description": description});
    json!({"oneOf": [
        {
            "type": "object", "title": "under way", "required": ["result", "state", "key"],
            "properties": {
                "result": {"const": "Not ready"}, "state": {"const": "running"}, "key": key,
                "progress": {"type": "object", "properties": {
                    "objects_total": count("How many objects there were."),
                    "objects_deleted": count("How many of them are gone."),
                }},
            },
        },
        {
            "type": "object", "title": "finished", "required": ["result", "state", "scope", "context", "debug", "key"],
            "properties": {
                "result": {"const": "OK"},
                "state": {"enum": ["done", "failed", "cancelled"]},
                "scope": {"type": "string", "description": "A sentence for the user."},
                "context": {"type": "object", "required": ["action", "id", "location"], "properties": {
                    "action": {"type": "string"},
                    "id": {"type": ["string", "null"], "description": "The account or the package that was made."},
                    "location": {"type": ["string", "null"]},
                }},
                "reply": {"type": "object", "description": "The whole reply; absent where it holds a secret."},
                "debug": {"type": "null"},
                "key": key,
            },
        },
        {
            "type": "object", "title": "registered", "required": ["result", "key"],
            "not": {"required": ["state"]},
            "properties": {"result": {"const": "OK"}, "key": key},
        },
    ]})
}
