//! What a login asks for.

use chrono::TimeDelta;
use serde_json::{Map, Value};

use super::fault::Fault;
use super::parameters::take_text;

const TTL_SECONDS_DEFAULT: i64 = 7200;
const TTL_SECONDS_MIN: i64 = 60;
const TTL_SECONDS_MAX: i64 = 86_400;

/// The parameters of `login`.
pub(crate) struct Login {
    /// The API key.
    pub(crate) key: String,
    /// How long the token is to be valid.
    pub(crate) ttl: TimeDelta,
    /// Whether it is to be valid from the caller's address only.
    pub(crate) is_bound: bool,
}

impl Login {
    /// Reads `key`, `ttl` and `fix_ip`.
    pub(crate) fn of(parameters: &mut Map<String, Value>) -> Result<Self, Fault> {
        let key = take_text(parameters, "key").ok_or_else(|| Fault::Invalid("key required".to_owned()))?;
        let seconds = take_text(parameters, "ttl").map_or(Ok(TTL_SECONDS_DEFAULT), |text| text.parse());
        let ttl = seconds.ok().filter(|seconds| (TTL_SECONDS_MIN..=TTL_SECONDS_MAX).contains(seconds));
        let ttl = ttl.map(TimeDelta::seconds).ok_or_else(|| {
            Fault::Invalid(format!("ttl must be an integer from {TTL_SECONDS_MIN} to {TTL_SECONDS_MAX} (seconds)"))
        })?;
        let is_bound = match take_text(parameters, "fix_ip").as_deref() {
            None | Some("0" | "false") => false,
            Some("1" | "true") => true,
            Some(_) => return Err(Fault::Invalid("fix_ip must be 0 or 1".to_owned())),
        };
        Ok(Self { key, ttl, is_bound })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(parameters: Value) -> String {
        let Value::Object(mut parameters) = parameters else { unreachable!() };
        match Login::of(&mut parameters) {
            Ok(Login { key, ttl, is_bound }) => format!("{key} {} {is_bound}", ttl.num_seconds()),
            Err(Fault::Invalid(message)) => message,
            Err(fault) => format!("{fault:?}"),
        }
    }

    #[test]
    fn wrong_parameters_are_named() {
        let ttl = "ttl must be an integer from 60 to 86400 (seconds)";
        for (parameters, expected) in [
            (json!({"key": "k"}), "k 7200 false"),
            (json!({"key": "k", "ttl": "60", "fix_ip": "1"}), "k 60 true"),
            (json!({"key": "k", "ttl": 86400, "fix_ip": true}), "k 86400 true"),
            (json!({"key": "k", "ttl": "", "fix_ip": 0}), "k 7200 false"),
            (json!({}), "key required"),
            (json!({"key": "k", "ttl": 59}), ttl),
            (json!({"key": "k", "ttl": "86401"}), ttl),
            (json!({"key": "k", "ttl": "2h"}), ttl),
            (json!({"key": "k", "fix_ip": "yes"}), "fix_ip must be 0 or 1"),
        ] {
            assert_eq!(shown(parameters.clone()), expected, "{parameters}");
        }
    }
}
