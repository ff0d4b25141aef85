//! What an answer says: a result, a refusal, or nothing that can be relied on.

use serde_json::{Map, Value};

use crate::Error;

/// How a message begins that tells of credentials, addresses or permissions.
const NOT_LET_IN: [&str; 4] =
    ["Authentication Failed", "Invalid or missing credentials", "Invalid Permissions", "Invalid IP"];

/// Messages that may come as bare text instead of JSON. Any other text may come from a program that broke half-way.
const BARE_REFUSALS: [&str; 12] = [
    "Client ID Not Found",
    "Client Not Found",
    "Command Not Found",
    "Due date is required",
    "Existing Cancellation Request Exists",
    "Invalid Invoice Action",
    "Invoice ID Not Found",
    "No items added to cart so order cannot proceed",
    "Order ID Not Found",
    "Order ID not found or Status not Pending",
    "Service ID Not Found",
    "You must provide a description",
];

/// The answer's fields, nested; an error where it doesn't tell of success.
///
/// `status` is HTTP's.
pub(crate) fn read(action: &'static str, status: u16, body: &[u8]) -> Result<Value, Error> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    let said = serde_json::from_str::<Value>(text).map_or_else(|_| bare(text), Said::from);
    match (status, said) {
        (401 | 403, Said::No(message)) => Err(Error::Unauthorized { message }),
        (401 | 403, _) => Err(Error::Unauthorized { message: format!("HTTP {status}") }),
        (200..=299 | 400..=499, Said::No(message)) | (400..=499, Said::Neither(Some(message))) => Err(refusal(message)),
        (200..=299, Said::Yes(fields)) => Ok(Value::Object(nest(fields))),
        _ => {
            Err(Error::unknown(action, format!("HTTP {status} with {} bytes that say neither yes nor no", body.len())))
        }
    }
}

/// What WHMCS says, whatever HTTP's status is.
enum Said {
    Yes(Map<String, Value>),
    No(String),
    /// Neither; with a message, if there is one.
    Neither(Option<String>),
}

impl From<Value> for Said {
    fn from(value: Value) -> Self {
        match value {
            Value::String(message) => Self::No(message),
            Value::Object(fields) => {
                let message = fields.get("message").and_then(Value::as_str).map(str::to_owned);
                // AddBillableItem has `status` only, others have a `status` with another meaning beside `result`.
                let result = fields.get("result").or_else(|| fields.get("status")).and_then(Value::as_str);
                match result.map(str::to_ascii_lowercase).as_deref() {
                    Some("success") => Self::Yes(fields),
                    Some("error") => Self::No(message.unwrap_or_else(|| "no reason given".to_owned())),
                    _ => Self::Neither(message),
                }
            }
            _ => Self::Neither(None),
        }
    }
}

/// A body that isn't JSON: `result=error;message=…`, or a message by itself.
fn bare(text: &str) -> Said {
    if let Some(fields) = text.strip_prefix("result=error;") {
        let message = fields.split(';').find_map(|field| field.trim().strip_prefix("message="));
        return Said::No(message.unwrap_or("no reason given").trim().to_owned());
    }
    let is_known = is_not_let_in(text) || BARE_REFUSALS.iter().any(|known| text.eq_ignore_ascii_case(known));
    if is_known && !text.contains('\n') { Said::No(text.to_owned()) } else { Said::Neither(None) }
}

fn is_not_let_in(message: &str) -> bool {
    let begins = |known: &&str| message.get(..known.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(known));
    NOT_LET_IN.iter().any(begins)
}

fn refusal(message: String) -> Error {
    if is_not_let_in(&message) { Error::Unauthorized { message } } else { Error::Refused { message } }
}

/// Keys such as `packages[package][0][id]` become objects and lists.
fn nest(fields: Map<String, Value>) -> Map<String, Value> {
    if !fields.keys().any(|key| key.contains('[')) {
        return fields;
    }
    let mut nested = Map::new();
    for (key, value) in fields {
        let path: Vec<&str> = key.split('[').map(|part| part.trim_end_matches(']')).collect();
        insert(&mut nested, &path, value);
    }
    nested.into_iter().map(|(key, value)| (key, lists(value))).collect()
}

fn insert(map: &mut Map<String, Value>, path: &[&str], value: Value) {
    let Some((key, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        map.insert((*key).to_owned(), value);
        return;
    }
    let inner = map.entry(*key).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(inner) = inner {
        insert(inner, rest, value);
    }
}

/// Objects whose keys are numbers become lists, in the numbers' order.
fn lists(value: Value) -> Value {
    let Value::Object(map) = value else { return value };
    let mut numbered: Vec<(u32, &Value)> =
        map.iter().filter_map(|(key, item)| Some((key.parse().ok()?, item))).collect();
    if !map.is_empty() && numbered.len() == map.len() {
        numbered.sort_by_key(|(number, _)| *number);
        return numbered.into_iter().map(|(_, item)| lists(item.clone())).collect();
    }
    Value::Object(map.into_iter().map(|(key, item)| (key, lists(item))).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn outcome(status: u16, body: &str) -> String {
        match read("AddOrder", status, body.as_bytes()) {
            Ok(_) => "done".to_owned(),
            Err(Error::Unreachable(_)) => "unreachable".to_owned(),
            Err(Error::Unknown { .. }) => "unknown".to_owned(),
            Err(Error::Refused { message }) => format!("refused: {message}"),
            Err(Error::Unauthorized { message }) => format!("unauthorized: {message}"),
        }
    }

    #[test]
    fn answers_say_yes_no_or_nothing() {
        for (status, body, expected) in [
            (200, r#"{"result":"success","orderid":"7"}"#, "done"),
            (200, "\u{feff}\n{\"result\":\"success\"}\n", "done"),
            (200, r#"{"status":"success","billableid":3}"#, "done"),
            (200, r#"{"result":"success","status":"Unpaid"}"#, "done"),
            (200, r#"{"result":"error","message":"Client ID Not Found"}"#, "refused: Client ID Not Found"),
            (200, r#"{"status":"error","message":"Due date is required"}"#, "refused: Due date is required"),
            (200, r#"{"result":"error"}"#, "refused: no reason given"),
            (200, r#""Client ID Not Found""#, "refused: Client ID Not Found"),
            (200, "Client ID Not Found", "refused: Client ID Not Found"),
            (200, "result=error;message=Command Not Found;", "refused: Command Not Found"),
            (200, r#"{"result":"error","message":"Authentication Failed"}"#, "unauthorized: Authentication Failed"),
            (400, r#"{"result":"error","message":"Invalid IP 192.0.2.7"}"#, "unauthorized: Invalid IP 192.0.2.7"),
            (400, r#"{"message":"No such thing"}"#, "refused: No such thing"),
            (404, r#"{"result":"error","message":"Gone"}"#, "refused: Gone"),
            (
                403,
                r#"{"result":"error","message":"Invalid Permissions: API action \"addorder\" is not allowed"}"#,
                "unauthorized: Invalid Permissions: API action \"addorder\" is not allowed",
            ),
            (403, "<html>Forbidden</html>", "unauthorized: HTTP 403"),
            (401, "", "unauthorized: HTTP 401"),
        ] {
            assert_eq!(outcome(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn what_isn_t_understood_may_have_been_done() {
        for (status, body) in [
            (200, ""),
            (200, "<html>Down for maintenance</html>"),
            (200, "Fatal error: Allowed memory size exhausted"),
            (200, "Client ID Not Found\nFatal error: in line 7"),
            (200, r#"{"result":"succ"#),
            (200, r#"{"orderid":"7"}"#),
            (200, r#"{"result":"maybe","message":"Hm"}"#),
            (200, "[]"),
            (200, "17"),
            (301, r#"{"result":"error","message":"moved"}"#),
            (302, ""),
            (400, "<html>Bad Request</html>"),
            (404, "Not Found"),
            (409, r#"{"result":"success"}"#),
            (500, r#"{"result":"error","message":"Client ID Not Found"}"#),
            (502, "<html>Bad Gateway</html>"),
            (504, ""),
        ] {
            assert_eq!(outcome(status, body), "unknown", "{status} {body}");
        }
    }

    #[test]
    fn flat_keys_are_nested() {
        let flat = json!({
            "result": "success",
            "totalresults": "2",
            "packages[package][0][id]": "4",
            "packages[package][0][type]": "Immediate",
            "packages[package][10][id]": "6",
            "packages[package][2][id]": "5",
        });
        let nested = read("GetCancelledPackages", 200, flat.to_string().as_bytes()).unwrap();
        assert_eq!(
            nested,
            json!({
                "result": "success",
                "totalresults": "2",
                "packages": {"package": [{"id": "4", "type": "Immediate"}, {"id": "5"}, {"id": "6"}]},
            })
        );
    }
}
