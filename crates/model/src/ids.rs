//! Typed identifiers, so that a plan's number is never taken for a customer's.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! numeric_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

numeric_id!(
    /// A customer of the hosting company, by the number that its other systems use too.
    CustomerId
);
numeric_id!(
    /// A pricing plan.
    PlanId
);
numeric_id!(
    /// A billed service: one account under one plan.
    ServiceId
);

/// An order, named by the UUID that its account's provisioning carries through all roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct OrderId(pub Uuid);

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An identifier that doesn't have its form; the message says what the form is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidId(pub &'static str);

/// An S3 account's public name: 32 lower-case hex characters (128 random bits), the same as its RGW uid.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[0-9a-f]{32}$"))]
pub struct S3Uid(String);

impl S3Uid {
    /// A new, unguessable one.
    pub fn random() -> Self {
        Self(hex::encode(rand::random::<[u8; 16]>()))
    }

    /// The 32 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for S3Uid {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let well_formed = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if well_formed { Ok(Self(text.to_owned())) } else { Err(InvalidId("s3uid must be 32 hexadecimal characters")) }
    }
}

impl TryFrom<String> for S3Uid {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<S3Uid> for String {
    fn from(uid: S3Uid) -> Self {
        uid.0
    }
}

impl fmt::Display for S3Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_s3uid_is_32_hex_characters() {
        assert_eq!(S3Uid::random().as_str().len(), 32);
        assert_ne!(S3Uid::random(), S3Uid::random());
        for bad in ["", "abc", "5F8E9D2A1B0C4E3F7A6B5C4D3E2F1A0B", "5f8e9d2a1b0c4e3f7a6b5c4d3e2f1a0g"] {
            assert!(bad.parse::<S3Uid>().is_err(), "{bad:?}");
        }
        assert!("5f8e9d2a1b0c4e3f7a6b5c4d3e2f1a0b".parse::<S3Uid>().is_ok());
    }
}
