//! Names that customers choose or see.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a text is no bucket name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid bucket name: {0}")]
pub struct InvalidBucketName(&'static str);

/// An S3 bucket name: 3 to 63 characters of `a-z`, `0-9`, `-` and `.`, as S3's strict DNS rules have it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("minLength" = 3, "maxLength" = 63, "pattern" = "^[a-z0-9][a-z0-9.-]*[a-z0-9]$"))]
pub struct BucketName(String);

impl BucketName {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BucketName {
    type Err = InvalidBucketName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = text.as_bytes();
        let reason = if !(3..=63).contains(&bytes.len()) {
            "must be 3 to 63 characters long"
        } else if !bytes.iter().all(|&b| alphanumeric(b) || b == b'-' || b == b'.') {
            "may contain only lower-case letters, digits, hyphens and dots"
        } else if !alphanumeric(bytes[0]) || !alphanumeric(bytes[bytes.len() - 1]) {
            "must begin and end with a letter or a digit"
        } else if text.contains("..") || text.contains(".-") || text.contains("-.") {
            "a dot may not stand next to a dot or a hyphen"
        } else if text.parse::<Ipv4Addr>().is_ok() {
            "must not look like an IP address"
        } else if text.starts_with("xn--") || text.ends_with("-s3alias") {
            "the prefix xn-- and the suffix -s3alias are reserved"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(InvalidBucketName(reason))
    }
}

/// Why a text is no location.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("location must be 2 to 16 characters of A-Z, 0-9 and -, for example NL")]
pub struct InvalidLocation;

/// A place where data is kept, as the hosting company names it: `NL`, `US`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[A-Z0-9-]{2,16}$"))]
pub struct Location(String);

impl Location {
    /// The code, upper-case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Location {
    type Err = InvalidLocation;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let code = text.trim().to_ascii_uppercase();
        let well_formed = (2..=16).contains(&code.len())
            && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-');
        if well_formed { Ok(Self(code)) } else { Err(InvalidLocation) }
    }
}

macro_rules! text_conversions {
    ($name:ident, $error:ty) => {
        impl TryFrom<String> for $name {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_conversions!(BucketName, InvalidBucketName);
text_conversions!(Location, InvalidLocation);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_strict_dns_rules() {
        for good in ["abc", "my-new-bucket", "a.b.c", "0-9", &"x".repeat(63)] {
            assert!(good.parse::<BucketName>().is_ok(), "{good}");
        }
        let too_long = "x".repeat(64);
        for bad in [
            "",
            "ab",
            &too_long,
            "Upper",
            "under_score",
            "-abc",
            "abc-",
            ".abc",
            "a..b",
            "a.-b",
            "a-.b",
            "192.168.1.1",
            "xn--abc",
            "abc-s3alias",
            "spaces here",
            "ümlaut",
            "a/b",
        ] {
            assert!(bad.parse::<BucketName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn locations_are_read_in_any_case() {
        assert_eq!("nl".parse::<Location>().unwrap().as_str(), "NL");
        for bad in ["", "X", "N L", "../etc"] {
            assert!(bad.parse::<Location>().is_err(), "{bad:?}");
        }
    }
}
