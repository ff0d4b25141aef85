//! Times as PHP frontends write them.

use std::fmt;
use std::str::FromStr;

use chrono::NaiveDateTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Timestamp;

const FORMAT: &str = "%Y-%m-%d %H:%M:%S";

/// A moment in UTC, written `2024-12-31 23:59:59`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$"))]
pub struct PlainTime(pub Timestamp);

/// A text that is no such time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a time like 2024-12-31 23:59:59, not {0:?}")]
pub struct InvalidPlainTime(String);

impl fmt::Display for PlainTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format(FORMAT))
    }
}

impl FromStr for PlainTime {
    type Err = InvalidPlainTime;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = NaiveDateTime::parse_from_str(text, FORMAT);
        time.map(|time| Self(time.and_utc())).map_err(|_| InvalidPlainTime(text.chars().take(40).collect()))
    }
}

impl TryFrom<String> for PlainTime {
    type Error = InvalidPlainTime;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PlainTime> for String {
    fn from(time: PlainTime) -> Self {
        time.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_written() {
        let time: PlainTime = "2024-12-31 23:59:59".parse().unwrap();
        assert_eq!(
            (time.to_string().as_str(), time.0.to_rfc3339().as_str()),
            ("2024-12-31 23:59:59", "2024-12-31T23:59:59+00:00")
        );
        for bad in ["", "2024-12-31", "2024-12-31T23:59:59Z", "2024-13-01 00:00:00"] {
            assert!(bad.parse::<PlainTime>().is_err(), "{bad:?}");
        }
    }
}
