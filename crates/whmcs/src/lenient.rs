//! Values as PHP happens to write them: numbers as text, nothing as `""`, one item instead of a list.

use chrono::{NaiveDate, NaiveDateTime};
use rust_decimal::Decimal;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A scalar as text; nothing for `null`, `""` and `false`, `1` for `true`.
fn scalar<E: serde::de::Error>(value: Value) -> Result<String, E> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(true) => Ok("1".to_owned()),
        Value::Bool(false) | Value::Null => Ok(String::new()),
        Value::Array(_) | Value::Object(_) => Err(E::custom("a list where a single value was expected")),
    }
}

/// Text; a number becomes one.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    scalar(Value::deserialize(deserializer)?)
}

/// Text without space around it, to be read as something else.
fn trimmed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(text(deserializer)?.trim().to_owned())
}

/// Text, nothing where it is empty.
pub(crate) fn optional_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Some(text(deserializer)?).filter(|text| !text.is_empty()))
}

/// A whole number.
pub(crate) fn int<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let text = trimmed(deserializer)?;
    text.parse().map_err(|_| D::Error::custom(format!("{text:?} is no whole number")))
}

/// A count; nothing is none.
pub(crate) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = trimmed(deserializer)?;
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| D::Error::custom(format!("{text:?} is no count")))
}

/// A number that names something; nothing and 0 name nothing.
pub(crate) fn optional_id<'de, D: Deserializer<'de>, T: From<i64>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let text = trimmed(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    let number: i64 = text.parse().map_err(|_| D::Error::custom(format!("{text:?} is no whole number")))?;
    Ok((number != 0).then(|| T::from(number)))
}

/// An amount: `"15.95"`, `15.95`; nothing is zero.
pub(crate) fn money<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    let text = trimmed(deserializer)?;
    if text.is_empty() {
        return Ok(Decimal::ZERO);
    }
    text.parse().map_err(|_| D::Error::custom(format!("{text:?} is no amount")))
}

/// Yes or no, in any of PHP's and WHMCS's ways: `true`, `1`, `"on"`.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let text = trimmed(deserializer)?;
    Ok(matches!(text.to_ascii_lowercase().as_str(), "1" | "on" | "true" | "yes"))
}

/// A day; nothing for `0000-00-00`. A time of day behind it is left out.
pub(crate) fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NaiveDate>, D::Error> {
    let text = trimmed(deserializer)?;
    let day = text.split(' ').next().unwrap_or_default();
    if day.is_empty() || day == "0000-00-00" {
        return Ok(None);
    }
    day.parse().map(Some).map_err(|_| D::Error::custom(format!("{text:?} is no date")))
}

/// A moment in the time zone of WHMCS; nothing for `0000-00-00 00:00:00`.
pub(crate) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NaiveDateTime>, D::Error> {
    let text = trimmed(deserializer)?;
    if text.is_empty() || text.starts_with("0000-00-00") {
        return Ok(None);
    }
    let time = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S");
    time.map(Some).map_err(|_| D::Error::custom(format!("{text:?} is no date with a time")))
}

/// Numbers in a row: `"1,2"`, a number, a list.
pub(crate) fn ids<'de, D: Deserializer<'de>, T: From<i64>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let texts = match Value::deserialize(deserializer)? {
        Value::Array(items) => items.into_iter().map(scalar).collect::<Result<Vec<_>, D::Error>>()?,
        single => scalar::<D::Error>(single)?.split(',').map(str::to_owned).collect(),
    };
    let numbers = texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).map(str::parse::<i64>);
    numbers.map(|number| number.map(T::from).map_err(D::Error::custom)).collect()
}

/// The items of a list that lies in an object under `name`: `{"product": [ … ]}`. Also the list itself, a single item
/// under its name, a list with gaps (`{"0": …, "2": …}`), and `""`, `null` or `[]` for an empty one.
fn nested<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D, name: &str) -> Result<Vec<T>, D::Error> {
    let mut value = Value::deserialize(deserializer)?;
    if let Value::Object(map) = &mut value
        && let Some(inner) = map.remove(name)
    {
        value = inner;
    }
    let items = match value {
        Value::Null => Vec::new(),
        Value::String(text) if text.trim().is_empty() => Vec::new(),
        Value::Array(items) => items,
        Value::Object(map) if map.keys().all(|key| key.parse::<u32>().is_ok()) => map.into_values().collect(),
        single @ Value::Object(_) => vec![single],
        _ => return Err(D::Error::custom(format!("no list of {name}"))),
    };
    items.into_iter().map(|item| serde_json::from_value(item).map_err(D::Error::custom)).collect()
}

macro_rules! nested_lists {
    ($($function:ident: $name:literal),+ $(,)?) => {
        $(pub(crate) fn $function<'de, D: Deserializer<'de>, T: DeserializeOwned>(
            deserializer: D,
        ) -> Result<Vec<T>, D::Error> {
            nested(deserializer, $name)
        })+
    };
}

nested_lists! {
    products: "product", orders: "order", line_items: "lineitem", packages: "package", invoices: "invoice",
    items: "item", transactions: "transaction", custom_fields: "customfield",
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_read_from_text_too() {
        for (value, expected) in [(json!(7), Some(7)), (json!("7"), Some(7)), (json!(" -7 "), Some(-7))] {
            assert_eq!(int(&value).ok(), expected, "{value}");
        }
        for bad in [json!("seven"), json!(1.5), json!(""), json!(null), json!([7])] {
            assert!(int(&bad).is_err(), "{bad}");
        }
        for (value, expected) in [(json!("0"), None), (json!(0), None), (json!(""), None), (json!("9"), Some(9))] {
            assert_eq!(optional_id::<_, i64>(&value).unwrap(), expected, "{value}");
        }
        assert_eq!((count(&json!("")).unwrap(), count(&json!("12")).unwrap()), (0, 12));
    }

    #[test]
    fn text_is_left_as_it_is() {
        for (value, expected) in [(json!(" a b "), " a b "), (json!(7), "7"), (json!(null), ""), (json!(true), "1")] {
            assert_eq!(text(&value).unwrap(), expected, "{value}");
        }
        assert_eq!(optional_text(&json!("")).unwrap(), None);
    }

    #[test]
    fn amounts_are_exact() {
        for (value, expected) in [
            (json!("15.95"), "15.95"),
            (json!(15.95), "15.95"),
            (json!("-0.10"), "-0.10"),
            (json!(3), "3"),
            (json!(""), "0"),
        ] {
            assert_eq!(money(&value).unwrap().to_string(), expected, "{value}");
        }
        assert!(money(&json!("$3.00 USD")).is_err());
    }

    #[test]
    fn days_and_times_may_be_missing() {
        let day = |text: &str| Some(text.parse::<NaiveDate>().unwrap());
        for (value, expected) in [
            (json!("2031-02-03"), day("2031-02-03")),
            (json!("2031-02-03 04:05:06"), day("2031-02-03")),
            (json!("0000-00-00"), None),
            (json!("0000-00-00 00:00:00"), None),
            (json!(""), None),
            (json!(null), None),
        ] {
            assert_eq!(date(&value).unwrap(), expected, "{value}");
        }
        assert!(date(&json!("03/02/2031")).is_err());
        assert_eq!(time(&json!("2031-02-03 04:05:06")).unwrap().unwrap().to_string(), "2031-02-03 04:05:06");
        assert_eq!(time(&json!("0000-00-00 00:00:00")).unwrap(), None);
        assert!(time(&json!("2031-02-03")).is_err());
    }

    #[test]
    fn flags_come_in_many_shapes() {
        for (value, expected) in [
            (json!(true), true),
            (json!("on"), true),
            (json!(1), true),
            (json!("1"), true),
            (json!(false), false),
            (json!(""), false),
            (json!("off"), false),
            (json!("0"), false),
            (json!(null), false),
        ] {
            assert_eq!(flag(&value).unwrap(), expected, "{value}");
        }
    }

    #[test]
    fn lists_come_in_many_shapes() {
        for (value, expected) in [
            (json!({"product": [{"id": 1}, {"id": 2}]}), vec![1, 2]),
            (json!({"product": {"id": 1}}), vec![1]),
            (json!({"product": {"0": {"id": 1}, "2": {"id": 3}}}), vec![1, 3]),
            (json!([{"id": 1}]), vec![1]),
            (json!({"product": ""}), vec![]),
            (json!({"product": []}), vec![]),
            (json!({}), vec![]),
            (json!([]), vec![]),
            (json!(""), vec![]),
            (json!(null), vec![]),
        ] {
            let items: Vec<Value> = products(&value).unwrap_or_else(|error| panic!("{value}: {error}"));
            let found: Vec<i64> = items.iter().map(|item| item["id"].as_i64().unwrap()).collect();
            assert_eq!(found, expected, "{value}");
        }
        assert!(products::<_, Value>(&json!("many")).is_err());
        for (value, expected) in
            [(json!("3,4"), vec![3, 4]), (json!(5), vec![5]), (json!(""), vec![]), (json!(["6", 7]), vec![6, 7])]
        {
            assert_eq!(ids::<_, i64>(&value).unwrap(), expected, "{value}");
        }
    }
}
