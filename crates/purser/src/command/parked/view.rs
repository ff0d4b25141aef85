//! Parked messages as people and programs read them. What strangers wrote is shown without what steers a terminal.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bus::NotedFailure;
use serde_json::{Map, Value, json};

use super::choice::Parked;
use crate::command::table;

const HEADINGS: [&str; 8] = ["ID", "PARKED", "QUEUE", "ACTION", "REASON", "ATTEMPTS", "ACCOUNT", "DETAIL"];
/// Longer ones are cut in the table.
const DETAIL_CHARACTERS_MAX: usize = 100;
const HIDDEN: &str = "(hidden)";
/// A parameter or header whose name has one of these in it holds a secret.
const SECRET_NAMES: [&str; 8] =
    ["secret", "token", "password", "passwd", "api_key", "apikey", "authorization", "credential"];

/// Text in one line, without control characters.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

pub(super) fn print_table(messages: &[Parked<'_>]) {
    if !messages.is_empty() {
        println!("{}", table::plain(HEADINGS, messages.iter().map(row)).trim_fmt());
    }
    println!("{} parked", messages.len());
}

fn row(parked: &Parked<'_>) -> [String; 8] {
    let message = parked.message;
    let or_dash = |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned());
    let detail = plain(&message.detail);
    let is_long = detail.chars().count() > DETAIL_CHARACTERS_MAX;
    let shown: String = detail.chars().take(DETAIL_CHARACTERS_MAX).collect();
    [
        message.id.to_string(),
        or_dash(message.parked_at.map(|at| at.format("%F %T").to_string())),
        or_dash(Some(message.delivery.queue.clone())),
        or_dash(message.delivery.message_type.as_deref().map(plain)),
        plain(&message.reason),
        message.delivery.attempts.to_string(),
        or_dash(parked.account.as_ref().map(ToString::to_string)),
        if is_long { format!("{shown}…") } else { shown },
    ]
}

/// What `list --json` says of a message.
pub(super) fn summary(parked: &Parked<'_>) -> Value {
    let message = parked.message;
    json!({
        "id": message.id,
        "role": message.role.as_str(),
        "queue": message.delivery.queue,
        "action": message.delivery.message_type,
        "message_id": message.delivery.message_id,
        "account": parked.account,
        "publisher": message.delivery.publisher,
        "reason": message.reason,
        "detail": message.detail,
        "attempts": message.delivery.attempts,
        "parked_at": message.parked_at,
        "first_error": failure(&message.first_error),
        "last_error": failure(&message.last_error),
        "forgotten": parked.is_forgotten(),
        "body_bytes": message.delivery.body.len(),
    })
}

fn failure(failure: &NotedFailure) -> Value {
    json!({ "error": failure.error, "at": failure.at })
}

/// All of a message, but for secrets; a body that can't be read may hold any, and is shown with `raw` only.
pub(super) fn whole(parked: &Parked<'_>, raw: bool) -> Value {
    let mut shown = summary(parked);
    let delivery = &parked.message.delivery;
    shown["properties"] = json!({
        "user_id": parked.message.user_id,
        "type": delivery.message_type,
        "content_type": delivery.content_type,
        "message_id": delivery.message_id,
        "correlation_id": delivery.correlation_id,
        "reply_to": delivery.reply_to,
    });
    shown["headers"] = without_secrets(&Value::Object(parked.message.headers.clone()));
    shown["body"] = parked.body.as_ref().map_or(Value::Null, without_secrets);
    if raw {
        shown["body_base64"] = STANDARD.encode(&delivery.body).into();
    }
    shown
}

fn without_secrets(value: &Value) -> Value {
    let is_secret = |name: &str| {
        let name = name.to_ascii_lowercase();
        SECRET_NAMES.iter().any(|part| name.contains(part))
    };
    match value {
        Value::Object(map) => {
            let shown = map.iter().map(|(name, value)| {
                let value = if is_secret(name) { HIDDEN.into() } else { without_secrets(value) };
                (name.clone(), value)
            });
            Value::Object(shown.collect::<Map<_, _>>())
        }
        Value::Array(values) => values.iter().map(without_secrets).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_however_deep_they_lie() {
        let body = json!({
            "s3uid": "x", "token": "t", "Secret_Key": "s", "data": [{"newPassword": ["p"], "page": 1}],
            "next_token": "n", "nested": {"api_key": {"a": "b"}},
        });
        let expected = json!({
            "s3uid": "x", "token": HIDDEN, "Secret_Key": HIDDEN, "data": [{"newPassword": HIDDEN, "page": 1}],
            "next_token": HIDDEN, "nested": {"api_key": HIDDEN},
        });
        assert_eq!(without_secrets(&body), expected);
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(plain("a\x1b[2Jb\r\nc\u{9b}d"), "a [2Jb  c d");
    }
}
