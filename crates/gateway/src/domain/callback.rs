//! What a callback key tells about its command.

use serde_json::{Map, Value, json};

/// A command as its role's journal has it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Command {
    /// The action's name.
    pub(crate) action: String,
    /// Whether it is done or refused; not so while it is under way, or not even taken.
    pub(crate) is_answered: bool,
    /// The reply's JSON text; none before there is one, and none where it holds a secret.
    pub(crate) reply: Option<String>,
    /// Whether the reply holds a secret.
    pub(crate) is_secret: bool,
    /// Where objects are deleted: how many there were.
    pub(crate) objects_total: Option<i64>,
    /// How many of them are gone.
    pub(crate) objects_deleted: Option<i64>,
}

/// The answer to `check`.
pub(crate) fn shown(command: &Command, key: &str) -> Value {
    if !command.is_answered {
        return running(command, key);
    }
    let reply = command.reply.as_deref().map(|text| serde_json::from_str(text).unwrap_or_else(|_| json!(text)));
    let refused = reply.as_ref().filter(|reply| is_refusal(reply));
    let (state, scope) = match refused {
        Some(reply) if is_cancelled(reply) => ("cancelled", message(reply)),
        Some(reply) => ("failed", message(reply)),
        None => ("done", scope(command)),
    };
    let id = reply.as_ref().and_then(id);
    let mut answer = json!({
        "result": "OK", "state": state, "scope": scope,
        "context": { "action": command.action, "id": id, "location": null },
        "debug": null, "key": key,
    });
    if let Some(reply) = reply {
        answer["reply"] = reply;
    }
    answer
}

fn running(command: &Command, key: &str) -> Value {
    let mut answer = json!({ "result": "Not ready", "state": "running", "key": key });
    let counts = [("objects_total", command.objects_total), ("objects_deleted", command.objects_deleted)];
    let progress: Map<_, _> =
        counts.into_iter().filter_map(|(name, count)| Some((name.to_owned(), json!(count?)))).collect();
    if !progress.is_empty() {
        answer["progress"] = Value::Object(progress);
    }
    answer
}

/// A reply without a code is a success of `s3.php`; `/storage` writes the HTTP status.
fn is_refusal(reply: &Value) -> bool {
    reply.get("code").is_some_and(|code| !code.as_i64().is_some_and(|code| (200..300).contains(&code)))
}

fn is_cancelled(reply: &Value) -> bool {
    ["details", "result"].iter().any(|part| reply[*part]["cancelled"] == json!(true))
}

fn message(reply: &Value) -> String {
    reply["message"].as_str().unwrap_or("the request was refused").to_owned()
}

fn id(reply: &Value) -> Option<&str> {
    [&reply["s3uid"], &reply["result"]["name"]].into_iter().find_map(Value::as_str)
}

fn scope(command: &Command) -> String {
    if command.is_secret {
        return "The answer is ready and holds a secret; send the request again under its Idempotency-Key to get it."
            .to_owned();
    }
    let text = match command.action.as_str() {
        "create_account" | "create_order" => "The S3 account is ready.",
        "create_bucket" => "The bucket was created.",
        "delete_account" => "The S3 account was deleted.",
        "delete_bucket" => "The bucket was deleted.",
        "delete_file" => "The file was deleted.",
        "delete_payment_account" => "The service was cancelled.",
        "cancel_payment_account_deletion" => "The cancellation was withdrawn.",
        "add_payment" => "The payment was noted.",
        "change_plan" => "The plan was changed.",
        "hold_service" => "The S3 account is held back as asked for.",
        "update_traffic_info" => "The traffic was measured.",
        "storage_create" => "The storage package was ordered.",
        "storage_delete" => "The storage package is marked for deletion.",
        "storage_undelete" => "The storage package stays.",
        action => return format!("{action} is done."),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123";

    fn command(action: &str, reply: Option<&Value>) -> Command {
        Command {
            action: action.to_owned(),
            is_answered: reply.is_some(),
            reply: reply.map(Value::to_string),
            ..Command::default()
        }
    }

    #[test]
    fn what_is_under_way_shows_its_progress() {
        let under_way = command("delete_account", None);
        assert_eq!(shown(&under_way, KEY), json!({"result": "Not ready", "state": "running", "key": KEY}));
        let counted = Command { objects_total: Some(12), objects_deleted: Some(5), ..under_way };
        let progress = json!({"objects_total": 12, "objects_deleted": 5});
        assert_eq!(shown(&counted, KEY)["progress"], progress);
    }

    #[test]
    fn what_is_answered_says_how() {
        for (action, reply, state, scope, id) in [
            (
                "create_order",
                json!({"result": "OK", "action": "create_order", "s3uid": "5f"}),
                "done",
                "The S3 account is ready.",
                json!("5f"),
            ),
            (
                "storage_create",
                json!({"code": 201, "message": "created", "result": {"name": "st-7"}}),
                "done",
                "The storage package was ordered.",
                json!("st-7"),
            ),
            ("create_order", json!({"code": -1, "message": "no plan"}), "failed", "no plan", json!(null)),
            (
                "storage_delete",
                json!({"code": 404, "message": "no such package", "result": {}}),
                "failed",
                "no such package",
                json!(null),
            ),
            (
                "create_order",
                json!({"code": -1, "message": "too late", "details": {"cancelled": true}}),
                "cancelled",
                "too late",
                json!(null),
            ),
            (
                "storage_create",
                json!({"code": 409, "message": "too late", "result": {"cancelled": true}}),
                "cancelled",
                "too late",
                json!(null),
            ),
        ] {
            let expected = json!({
                "result": "OK", "state": state, "scope": scope,
                "context": {"action": action, "id": id, "location": null},
                "reply": reply, "debug": null, "key": KEY,
            });
            assert_eq!(shown(&command(action, Some(&reply)), KEY), expected, "{action}");
        }
    }

    #[test]
    fn a_secret_reply_stays_where_it_is() {
        let secret = Command { is_answered: true, is_secret: true, ..command("storage_newpassword", None) };
        let answer = shown(&secret, KEY);
        assert_eq!((&answer["state"], answer.get("reply")), (&json!("done"), None));
        assert!(answer["scope"].as_str().unwrap().contains("Idempotency-Key"), "{answer}");
    }

    #[test]
    fn every_command_for_callers_has_words_of_its_own() {
        let commands = messages::ACTIONS
            .iter()
            .filter(|spec| spec.kind == messages::ActionKind::Command && spec.api != messages::Api::Internal);
        for spec in commands.filter(|spec| spec.name != "storage_newpassword") {
            assert!(!scope(&command(spec.name, None)).starts_with(spec.name), "{}", spec.name);
        }
    }
}
