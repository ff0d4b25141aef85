//! Replies: the very JSON object that `s3.php` and `/storage` show.

use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

use crate::{Api, DecodeError, Encoding, find_action};

/// What kind of refusal; `/storage` tells them apart by its code, as HTTP does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RefusalKind {
    /// The request itself is wrong: 422.
    #[default]
    Invalid,
    /// The caller may not do that: 403.
    Forbidden,
    /// There is no such thing, or it is somebody else's: 404.
    NotFound,
    /// It can't be done in the present state: 409.
    Conflict,
    /// Nobody can do it at the moment: 503.
    Unavailable,
}

impl RefusalKind {
    /// The HTTP status that means the same.
    pub const fn status(self) -> u16 {
        match self {
            Self::Invalid => 422,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::Unavailable => 503,
        }
    }
}

/// The caller's fault, or the world's answer to what they asked: `{"code":-1,"message":…,"details":…}`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What was wrong and what would be right.
    pub message: String,
    /// More for machines, where a seed shows it.
    pub details: Option<Value>,
    /// What kind it is.
    pub kind: RefusalKind,
}

impl Refusal {
    /// The request is wrong.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), details: None, kind: RefusalKind::Invalid }
    }

    /// A refusal of another kind.
    #[must_use]
    pub fn of_kind(self, kind: RefusalKind) -> Self {
        Self { kind, ..self }
    }

    /// A refusal with details.
    #[must_use]
    pub fn with_details(self, details: Value) -> Self {
        Self { details: Some(details), ..self }
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(message).of_kind(RefusalKind::NotFound)
    }

    /// It can't be done in the present state.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(message).of_kind(RefusalKind::Conflict)
    }

    /// It was given up before it was done, and nothing of it is left.
    pub fn cancelled(message: impl Into<String>) -> Self {
        Self::conflict(message).with_details(json!({"cancelled": true}))
    }

    /// What a caller reads about an account that doesn't exist, or isn't theirs: the two read the same.
    pub fn account_not_found() -> Self {
        Self::not_found("S3 account not found for this customer")
    }
}

/// A reply in its final shape, kept as JSON text: saved, sent and shown as it is. `Debug` hides a secret one.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    text: String,
    is_secret: bool,
}

#[derive(Serialize)]
struct Success<'a, T> {
    result: &'static str,
    action: &'a str,
    #[serde(flatten)]
    body: &'a T,
}

impl Reply {
    /// The action's success: `{"result":"OK","action":…}` with the body's fields beside them, or for `/storage`
    /// `{"code":200,"message":"ok","result":<body>}`.
    pub fn success<T: Serialize>(action: &str, body: &T) -> Self {
        let text = match api(action) {
            Api::Storage => {
                let (code, message) = if action == "storage_create" { (201, "created") } else { (200, "ok") };
                serde_json::to_value(body)
                    .map(|body| json!({"code": code, "message": message, "result": body}).to_string())
            }
            Api::S3Php | Api::Internal => serde_json::to_string(&Success { result: "OK", action, body }),
        };
        match text {
            Ok(text) => Self::from_json_text(text),
            Err(error) => Self::refused(action, &Refusal::new(format!("the reply can't be written: {error}"))),
        }
    }

    /// The action's refusal: `{"code":-1,"message":…}`, with `details` where there are some, or for `/storage`
    /// `{"code":<status>,"message":…,"result":{}}`.
    pub fn refused(action: &str, refusal: &Refusal) -> Self {
        let object = match api(action) {
            Api::Storage => json!({
                "code": refusal.kind.status(), "message": refusal.message,
                "result": refusal.details.clone().unwrap_or_else(|| json!({})),
            }),
            Api::S3Php | Api::Internal => {
                let mut object = json!({"code": -1, "message": refusal.message});
                if let Some(details) = &refusal.details {
                    object["details"] = details.clone();
                }
                object
            }
        };
        Self::from_json_text(object.to_string())
    }

    /// The same reply, which holds a secret: it is saved sealed, and never shown in logs.
    #[must_use]
    pub fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }

    /// Whether it holds a secret.
    pub fn is_secret(&self) -> bool {
        self.is_secret
    }

    /// A reply that was saved as text earlier.
    pub fn from_json_text(text: String) -> Self {
        Self { text, is_secret: false }
    }

    /// The JSON text.
    pub fn as_json_text(&self) -> &str {
        &self.text
    }

    /// The bytes in the caller's encoding.
    pub fn encode(&self, encoding: Encoding) -> Result<Vec<u8>, DecodeError> {
        match encoding {
            Encoding::Json => Ok(self.text.clone().into_bytes()),
            Encoding::MessagePack => {
                Encoding::MessagePack.encode(&Encoding::Json.decode::<Value>(self.text.as_bytes())?)
            }
        }
    }

    /// The words of a refusal; `None` for a success.
    pub fn refusal_message(&self) -> Option<String> {
        if !self.is_refusal() {
            return None;
        }
        let value: Value = serde_json::from_str(&self.text).ok()?;
        Some(value["message"].as_str().unwrap_or_default().to_owned())
    }

    /// Whether it says that something was refused.
    pub fn is_refusal(&self) -> bool {
        let code = self.text.strip_prefix("{\"code\":").and_then(|rest| rest.split([',', '}']).next());
        code.is_some_and(|code| !matches!(code.parse(), Ok(200..300)))
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reply").field(&if self.is_secret { "a secret" } else { &self.text }).finish()
    }
}

/// What isn't in the table reads like `s3.php`.
fn api(action: &str) -> Api {
    find_action(action).map_or(Api::S3Php, |spec| spec.api)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_api_has_its_own_shapes() {
        let missing = Refusal::account_not_found();
        for (reply, text, is_refusal) in [
            (
                Reply::success("list_plans", &json!({"plans": []})),
                r#"{"result":"OK","action":"list_plans","plans":[]}"#,
                false,
            ),
            (
                Reply::refused("show_key", &missing),
                r#"{"code":-1,"message":"S3 account not found for this customer"}"#,
                true,
            ),
            (Reply::success("storage_undelete", &json!({})), r#"{"code":200,"message":"ok","result":{}}"#, false),
            (
                Reply::success("storage_create", &json!({"name": "a"})),
                r#"{"code":201,"message":"created","result":{"name":"a"}}"#,
                false,
            ),
            (
                Reply::refused("storage_info", &missing),
                r#"{"code":404,"message":"S3 account not found for this customer","result":{}}"#,
                true,
            ),
        ] {
            assert_eq!((reply.as_json_text(), reply.is_refusal()), (text, is_refusal));
        }
    }

    #[test]
    fn a_secret_reply_isnt_shown() {
        let reply = Reply::success("storage_newpassword", &json!({"password": "geheim"})).secret();
        assert!(!format!("{reply:?}").contains("geheim"));
    }
}
