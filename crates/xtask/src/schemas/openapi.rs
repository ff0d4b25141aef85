//! The OpenAPI document: the gateway's paths.

mod calls;
mod logins;
mod responses;
mod storage;

use messages::Api;
use serde_json::{Map, Value, json};

use super::contract::Contract;
use super::json_schema;

/// The whole document.
pub(crate) fn document(contract: &Contract) -> Value {
    let mut paths = Map::from_iter([
        ("/s3.php".to_owned(), calls::s3_php(contract)),
        ("/auth.php".to_owned(), logins::auth_php()),
        ("/eq_callback.php".to_owned(), logins::eq_callback_php()),
        ("/docs".to_owned(), docs()),
    ]);
    paths.extend(storage::paths(contract));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Purser over HTTP",
            "version": env!("CARGO_PKG_VERSION"),
            "description": include_str!("openapi/description.md"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The gateway that serves this document."}],
        "security": [{"bearer": []}, {"token": []}],
        "tags": [
            {"name": "s3.php", "description": "Accounts, buckets, files, plans, usage."},
            {"name": "storage", "description": "Packages with German prices."},
            {"name": "auth", "description": "Tokens for API keys."},
            {"name": "callbacks", "description": "What has become of long commands."},
            {"name": "docs", "description": "This description."},
        ],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A token of `/auth.php`."},
                "token": {
                    "type": "apiKey", "in": "query", "name": "token",
                    "description": "The same token as parameter, in the query string, the form or the JSON body.",
                },
            },
            "headers": responses::headers(),
            "parameters": {"IdempotencyKey": responses::idempotency_key_parameter()},
            "responses": responses::faults(),
            "schemas": schemas(contract),
        },
    })
}

/// A reference to one of the document's schemas.
fn schema_ref(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn schemas(contract: &Contract) -> Map<String, Value> {
    let mut schemas = Map::from_iter([
        ("failure".to_owned(), json_schema::failure()),
        ("storage_failure".to_owned(), json_schema::storage_failure()),
        ("accepted".to_owned(), accepted()),
        ("storage_accepted".to_owned(), storage_accepted()),
    ]);
    for action in contract.actions.iter().filter(|action| action.spec.api != Api::Internal) {
        let name = action.spec.name;
        if action.spec.api == Api::S3Php {
            schemas.insert(format!("{name}.request"), calls::request(action));
        }
        schemas.insert(format!("{name}.reply"), Value::Object(action.reply.clone()));
    }
    schemas.extend(logins::schemas());
    schemas
}

fn accepted() -> Value {
    json!({
        "type": "object", "required": ["result", "action", "callback"],
        "description": "The command goes on; the key leads to its end.",
        "properties": {
            "result": {"const": "OK"},
            "action": {"type": "string"},
            "callback": {"type": "string", "pattern": "^[0-9a-f]{32}$", "description": "For `/eq_callback.php`."},
        },
    })
}

fn storage_accepted() -> Value {
    json!({
        "type": "object", "required": ["code", "message", "result"],
        "description": "The command goes on; the key leads to its end.",
        "properties": {
            "code": {"const": 202},
            "message": {"const": "accepted"},
            "result": {
                "type": "object", "required": ["callback"],
                "properties": {"callback": {"type": "string", "pattern": "^[0-9a-f]{32}$"}},
            },
        },
    })
}

fn docs() -> Value {
    json!({"get": {
        "tags": ["docs"], "operationId": "docs", "security": [],
        "summary": "The readable description; beside it openapi.json, asyncapi.json and the JSON Schemas.",
        "responses": {
            "308": {"description": "The page is at `/docs/docs/index.html`."},
            "405": {"$ref": "#/components/responses/MethodNotAllowed"},
        },
    }})
}
