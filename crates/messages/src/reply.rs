//! Replies: the very JSON object that `s3.php` shows.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{DecodeError, Encoding};

/// The caller's fault, or the world's answer to what they asked: `{"code":-1,"message":…,"details":…}`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What was wrong and what would be right.
    pub message: String,
    /// More for machines, where a seed shows it.
    pub details: Option<Value>,
}

impl Refusal {
    /// A refusal without details.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), details: None }
    }

    /// What a caller reads about an account that doesn't exist, or isn't theirs: the two read the same.
    pub fn account_not_found() -> Self {
        Self::new("S3 account not found for this customer")
    }
}

/// A reply in its final shape, kept as JSON text: saved, sent and shown as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reply(String);

#[derive(Serialize)]
struct Success<'a, T> {
    result: &'static str,
    action: &'a str,
    #[serde(flatten)]
    body: &'a T,
}

impl Reply {
    /// `{"result":"OK","action":…}` and the body's fields beside them.
    pub fn success<T: Serialize>(action: &str, body: &T) -> Self {
        match serde_json::to_string(&Success { result: "OK", action, body }) {
            Ok(text) => Self(text),
            Err(error) => Self::refused(&Refusal::new(format!("the reply can't be written: {error}"))),
        }
    }

    /// `{"code":-1,"message":…}`, with `details` where there are some.
    pub fn refused(refusal: &Refusal) -> Self {
        let mut object = json!({"code": -1, "message": refusal.message});
        if let Some(details) = &refusal.details {
            object["details"] = details.clone();
        }
        Self(object.to_string())
    }

    /// A reply that was saved as text earlier.
    pub fn from_json_text(text: String) -> Self {
        Self(text)
    }

    /// The JSON text.
    pub fn as_json_text(&self) -> &str {
        &self.0
    }

    /// The bytes in the caller's encoding.
    pub fn encode(&self, encoding: Encoding) -> Result<Vec<u8>, DecodeError> {
        match encoding {
            Encoding::Json => Ok(self.0.clone().into_bytes()),
            Encoding::MessagePack => Encoding::MessagePack.encode(&Encoding::Json.decode::<Value>(self.0.as_bytes())?),
        }
    }

    /// Whether it says that something was refused.
    pub fn is_refusal(&self) -> bool {
        self.0.starts_with("{\"code\":")
    }
}
