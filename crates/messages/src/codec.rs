//! The two encodings of a body: MessagePack with named fields, and JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// How a body is encoded; `content_type` says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// `application/msgpack`: a map with named fields.
    #[default]
    MessagePack,
    /// `application/json`.
    Json,
}

/// A body that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The content type is neither of the two.
    #[error("content_type must be application/msgpack or application/json, not {0:?}")]
    ContentType(String),
    /// The bytes are not what the content type says.
    #[error("the body is no valid {0}: {1}")]
    Malformed(&'static str, String),
    /// A list or a bare value instead of a map.
    #[error("the body must be a map of parameters, for example {{\"s3uid\": …}}")]
    NotAMap,
}

impl Encoding {
    /// The encoding that `content_type` names; parameters after `;` are ignored, absent means MessagePack.
    pub fn from_content_type(content_type: Option<&str>) -> Result<Self, DecodeError> {
        let Some(content_type) = content_type else { return Ok(Self::MessagePack) };
        match content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/msgpack" | "application/x-msgpack" | "application/vnd.msgpack" | "" => Ok(Self::MessagePack),
            "application/json" => Ok(Self::Json),
            _ => Err(DecodeError::ContentType(content_type.to_owned())),
        }
    }

    /// The `content_type` property.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::MessagePack => "application/msgpack",
            Self::Json => "application/json",
        }
    }

    /// Encodes a value whose serialisation can't fail (maps with text keys, no exotic types).
    pub fn encode<T: Serialize>(self, value: &T) -> Result<Vec<u8>, DecodeError> {
        match self {
            Self::MessagePack => {
                // Human readable, so that a UUID or a time is the same text as in JSON.
                let mut body = Vec::new();
                let mut encoder = rmp_serde::Serializer::new(&mut body).with_struct_map().with_human_readable();
                match value.serialize(&mut encoder) {
                    Ok(()) => Ok(body),
                    Err(error) => Err(DecodeError::Malformed("MessagePack", error.to_string())),
                }
            }
            Self::Json => serde_json::to_vec(value).map_err(|e| DecodeError::Malformed("JSON", e.to_string())),
        }
    }

    /// Decodes one whole value; trailing bytes are an error in both encodings.
    pub fn decode<T: DeserializeOwned>(self, body: &[u8]) -> Result<T, DecodeError> {
        match self {
            Self::MessagePack => {
                let mut rest = body;
                let mut decoder = rmp_serde::Deserializer::new(&mut rest).with_human_readable();
                decoder.set_max_depth(32);
                let value =
                    T::deserialize(&mut decoder).map_err(|e| DecodeError::Malformed("MessagePack", e.to_string()))?;
                if rest.is_empty() {
                    Ok(value)
                } else {
                    Err(DecodeError::Malformed("MessagePack", format!("{} bytes follow the map", rest.len())))
                }
            }
            Self::Json => serde_json::from_slice(body).map_err(|e| DecodeError::Malformed("JSON", e.to_string())),
        }
    }

    /// Decodes a body that must be a map of parameters.
    pub fn decode_map(self, body: &[u8]) -> Result<serde_json::Map<String, Value>, DecodeError> {
        match self.decode(body)? {
            Value::Object(map) => Ok(map),
            _ => Err(DecodeError::NotAMap),
        }
    }
}
