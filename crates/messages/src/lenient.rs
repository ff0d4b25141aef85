//! Parameters as clients send them: HTML forms know text only, so a number may come as text and a text as a number.

use std::fmt;

use model::PlainTime;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// Accepts an integer or the decimal text of one.
struct IntegerVisitor;

impl Visitor<'_> for IntegerVisitor {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<i64, E> {
        Ok(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<i64, E> {
        i64::try_from(number).map_err(|_| E::custom(format_args!("must be an integer below 2^63, not {number}")))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<i64, E> {
        text.trim().parse().map_err(|_| E::custom(format_args!("must be an integer, not {text:?}")))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<i64, E> {
        Err(E::custom(format_args!("must be an integer, not {number}")))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<i64, E> {
        Err(E::custom(format_args!("must be an integer, not {value}")))
    }
}

/// An integer wrapped in one of the typed ids.
pub(crate) fn integer<'de, D: Deserializer<'de>, T: FromInteger>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(IntegerVisitor).map(T::from_integer)
}

/// The same, where the parameter may be left out.
pub(crate) fn optional_integer<'de, D: Deserializer<'de>, T: FromInteger>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    integer(deserializer).map(Some)
}

/// What an integer parameter becomes.
pub(crate) trait FromInteger {
    fn from_integer(number: i64) -> Self;
}

impl FromInteger for i64 {
    fn from_integer(number: i64) -> Self {
        number
    }
}

impl FromInteger for model::CustomerId {
    fn from_integer(number: i64) -> Self {
        Self(number)
    }
}

impl FromInteger for model::PlanId {
    fn from_integer(number: i64) -> Self {
        Self(number)
    }
}

/// A text, or a number that is meant as one (a bucket called `2024`).
pub(crate) fn text<'de, D: Deserializer<'de>, T>(deserializer: D) -> Result<T, D::Error>
where
    T: TryFrom<String, Error: fmt::Display>,
{
    struct TextVisitor;

    impl Visitor<'_> for TextVisitor {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }
    }

    deserializer.deserialize_any(TextVisitor).and_then(|text| T::try_from(text).map_err(D::Error::custom))
}

/// An exact amount: a text such as `"11.90"`, or a whole number.
pub(crate) fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<rust_decimal::Decimal, D::Error> {
    let text: String = text(deserializer)?;
    let message = "must be a decimal in a text, for example \"11.90\"";
    text.trim().parse().map_err(|_| D::Error::custom(message))
}

/// The same, where the parameter may be left out.
pub(crate) fn optional_text<'de, D: Deserializer<'de>, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: TryFrom<String, Error: fmt::Display>,
{
    text(deserializer).map(Some)
}

/// A day as `2026-01-31`, where the parameter may be left out.
pub(crate) fn optional_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<chrono::NaiveDate>, D::Error> {
    let text: String = text(deserializer)?;
    let date = chrono::NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d");
    date.map(Some).map_err(|_| D::Error::custom(format_args!("must be a date like 2026-01-31, not {text:?}")))
}

/// A moment of UTC as `2026-01-31`, `2026-01-31 13:00:00` or RFC 3339, where the parameter may be left out.
pub(crate) fn optional_moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PlainTime>, D::Error> {
    let text: String = text(deserializer)?;
    let day = || chrono::NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").ok();
    let rfc3339 = || chrono::DateTime::parse_from_rfc3339(text.trim()).ok();
    let moment = text
        .trim()
        .parse()
        .ok()
        .or_else(|| day().map(|day| PlainTime(day.and_time(chrono::NaiveTime::MIN).and_utc())))
        .or_else(|| rfc3339().map(|moment| PlainTime(moment.to_utc())));
    moment.map(Some).ok_or_else(|| {
        D::Error::custom(format_args!("must be a time like 2026-01-31 or 2026-01-31 13:00:00, not {text:?}"))
    })
}

/// Deserialises parameters and words what is wrong with them: `plan_id required`, `plan_id must be an integer, …`.
pub(crate) fn parameters<T: for<'de> Deserialize<'de>>(
    map: serde_json::Map<String, serde_json::Value>,
) -> Result<T, String> {
    serde_path_to_error::deserialize(serde_json::Value::Object(map)).map_err(|error| {
        let path = error.path().to_string();
        let message = error.inner().to_string();
        if let Some(rest) = message.strip_prefix("missing field `") {
            let field = rest.split('`').next().unwrap_or(rest);
            if path == "." { format!("{field} required") } else { format!("{path}.{field} required") }
        } else if message.starts_with("must ") {
            format!("{path} {message}")
        } else if let Some((_, expected)) = message.split_once(", expected ") {
            format!("{path} must be {expected}")
        } else if path == "." || says(&message, &path) {
            message
        } else {
            format!("{path}: {message}")
        }
    })
}

/// Whether a message names the parameter that it is about: `Invalid bucket name: …`.
fn says(message: &str, path: &str) -> bool {
    let parameter = path.split(['.', '[']).next().unwrap_or(path);
    message.contains(parameter) || message.contains(&parameter.replace('_', " "))
}
