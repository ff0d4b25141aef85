//! One action: what it does, what it takes, how it is called, what it answers.

use std::fmt::Write;

use anyhow::Result;
use messages::{ActionKind, Api};
use serde_json::{Map, Value};

use super::html::{escape, json, prose};
use super::words;
use crate::schemas::contract::ActionEntry;
use crate::schemas::json_schema;

const GATEWAY: &str = "https://s3.example.com";
const MESSAGE_ID: &str = "0193500b-1f6a-7c11-8d2e-3a4b5c6d7e8f";

/// Paths and methods of `/storage`.
const STORAGE_CALLS: [(&str, &str, &str); 6] = [
    ("storage_prices", "GET", "/storage/prices"),
    ("storage_info", "GET", "/storage/info/{name}"),
    ("storage_create", "POST", "/storage/create"),
    ("storage_delete", "DELETE", "/storage/delete/{name}"),
    ("storage_undelete", "DELETE", "/storage/undelete/{name}"),
    ("storage_newpassword", "GET", "/storage/newpassword/{name}"),
];

/// Adds the action's article.
pub(super) fn render(body: &mut String, action: &ActionEntry) -> Result<()> {
    let (name, kind) = (action.spec.name, action.kind_singular());
    writeln!(
        body,
        "<article aria-labelledby=\"{name}\">\n<h3 id=\"{name}\"><code>{name}</code> <span class=\"tag\">{kind}</span> \
         <span class=\"tag\">{}</span></h3>\n<p>{}</p>\n<p>{}</p>",
        action.spec.role,
        prose(&action.description),
        how(action),
    )?;
    parameters(body, action)?;
    if let Some(curl) = curl(action) {
        writeln!(body, "<h4>Over HTTP</h4>\n<pre><code>{}</code></pre>", escape(&curl))?;
    }
    writeln!(
        body,
        "<details><summary>Over RabbitMQ</summary><pre><code>{}</code></pre></details>",
        escape(&amqp(action)?)
    )?;
    writeln!(
        body,
        "<h4>Answers</h4>\n<pre><code>{}</code></pre>\n<pre class=\"failure\"><code>{}</code></pre>",
        escape(&json(&action.reply_sample)?),
        escape(&json(&action.failure_sample)?),
    )?;
    writeln!(body, "<details><summary>Fields of the answer</summary>")?;
    fields(body, &action.reply)?;
    writeln!(
        body,
        "</details>\n<p class=\"links\"><a href=\"../json-schema/{}/{name}.json\">Request schema</a> \
         <a href=\"../json-schema/replies/{name}.json\">Reply schema</a> \
         <a href=\"../samples/{kind}.{name}.msgpack\">Request as MessagePack</a> \
         <a href=\"../samples/reply.{name}.msgpack\">Reply as MessagePack</a></p>\n</article>",
        action.kind(),
    )?;
    Ok(())
}

/// Adds a table of a map's fields, with the fields of what is in it.
pub(super) fn fields(body: &mut String, schema: &Map<String, Value>) -> Result<()> {
    let mut rows = Vec::new();
    collect(&mut rows, "", schema);
    if rows.is_empty() {
        writeln!(body, "<p>No fields.</p>")?;
        return Ok(());
    }
    writeln!(
        body,
        "<div class=\"wide\"><table><thead><tr><th>Field</th><th>Type</th><th>Meaning</th></tr></thead><tbody>"
    )?;
    for (name, kind, meaning) in rows {
        writeln!(
            body,
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
            escape(&name),
            prose(&kind),
            prose(&meaning)
        )?;
    }
    writeln!(body, "</tbody></table></div>")?;
    Ok(())
}

fn collect(rows: &mut Vec<(String, String, String)>, prefix: &str, schema: &Map<String, Value>) {
    for (name, property) in json_schema::properties(schema) {
        let path = format!("{prefix}{name}");
        rows.push((path.clone(), words::kind(property), text(property, "description")));
        descend(rows, &path, property);
    }
}

fn descend(rows: &mut Vec<(String, String, String)>, path: &str, property: &Value) {
    if let Some(items) = property.get("items") {
        descend(rows, &format!("{path}[]"), items);
    } else if let Some(Value::Object(values)) = property.get("additionalProperties") {
        collect(rows, &format!("{path}.*."), values);
    } else if let Value::Object(map) = property {
        collect(rows, &format!("{path}."), map);
    }
}

fn how(action: &ActionEntry) -> String {
    let role = action.spec.role;
    match action.spec.api {
        Api::S3Php => {
            let methods = if action.spec.post_only { "POST" } else { "POST or GET" };
            format!("<code>/s3.php</code> by {methods}; {role} answers.")
        }
        Api::Storage => {
            let call = STORAGE_CALLS.iter().find(|(name, ..)| *name == action.spec.name);
            let (method, path) = call.map_or(("", ""), |(_, method, path)| (*method, *path));
            format!("<code>{method} {path}</code>; {role} answers.")
        }
        Api::Internal => format!("Over RabbitMQ only; {role} carries it out."),
    }
}

fn parameters(body: &mut String, action: &ActionEntry) -> Result<()> {
    let required = json_schema::required(&action.parameters);
    let mut properties = json_schema::properties(&action.parameters).peekable();
    if properties.peek().is_none() {
        writeln!(body, "<p>No parameters.</p>")?;
        return Ok(());
    }
    writeln!(
        body,
        "<h4>Parameters</h4>\n<div class=\"wide\"><table><thead><tr><th>Name</th><th>Type</th><th>Required</th>\
         <th>Meaning</th></tr></thead><tbody>"
    )?;
    for (name, property) in properties {
        let others: Vec<_> =
            action.aliases.iter().filter(|(_, of)| *of == name).map(|(alias, _)| format!("`{alias}`")).collect();
        let mut meaning = text(property, "description");
        if !others.is_empty() {
            write!(meaning, " Also called {}.", others.join(", "))?;
        }
        let needed = if required.contains(name) { "yes" } else { "" };
        writeln!(
            body,
            "<tr><td><code>{name}</code></td><td>{}</td><td>{needed}</td><td>{}</td></tr>",
            prose(&words::kind(property)),
            prose(&meaning),
        )?;
    }
    writeln!(body, "</tbody></table></div>")?;
    Ok(())
}

fn curl(action: &ActionEntry) -> Option<String> {
    let name = action.spec.name;
    let is_command = action.spec.kind == ActionKind::Command;
    let once = if is_command { " \\\n     -H 'Idempotency-Key: order-4711'" } else { "" };
    let data = |skipped: &str| {
        let parameters = action.sample.iter().filter(|(name, _)| *name != skipped);
        parameters.fold(String::new(), |data, (name, value)| data + " \\\n     -d " + name + "=" + &quoted(value))
    };
    let token = "-H \"Authorization: Bearer $TOKEN\"";
    match action.spec.api {
        Api::Internal => None,
        Api::S3Php => Some(format!("curl -s {GATEWAY}/s3.php {token}{once} \\\n     -d action={name}{}", data(""))),
        Api::Storage => {
            let (_, method, path) = STORAGE_CALLS.iter().find(|(call, ..)| *call == name)?;
            let package = action.sample.get("name").and_then(Value::as_str).unwrap_or_default();
            let path = path.replace("{name}", package);
            let (method, data) = match *method {
                "POST" => (String::new(), data("")),
                "GET" => (String::new(), String::new()),
                method => (format!(" -X {method}"), String::new()),
            };
            Some(format!("curl -s{method} {GATEWAY}{path} {token}{once}{data}"))
        }
    }
}

fn quoted(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let safe = text.chars().all(|character| character.is_ascii_alphanumeric() || "-_./:".contains(character));
    if safe { text } else { format!("'{text}'") }
}

fn amqp(action: &ActionEntry) -> Result<String> {
    let (name, kind) = (action.spec.name, action.kind());
    let id =
        if action.spec.kind == ActionKind::Command { format!("message_id: {MESSAGE_ID}\n") } else { String::new() };
    Ok(format!(
        "exchange: s3.{kind}\nrouting key: {name}\ntype: {name}\ncontent_type: application/json\n{id}\
         reply_to: amq.rabbitmq.reply-to\ncorrelation_id: 1\nuser_id: php-frontend\n\n{}",
        json(&action.amqp_sample())?,
    ))
}

fn text(schema: &Value, name: &str) -> String {
    schema.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
