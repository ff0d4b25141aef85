//! Comparing what came with what a case expects.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde_json::{Map, Value};

/// The variables of a case: `$s3uid`, `$bucket` and so on.
pub(crate) type Variables = Map<String, Value>;

/// Puts the variables in. A text that is one variable and nothing else takes the variable's type.
pub(crate) fn substitute(value: &Value, variables: &Variables) -> Result<Value> {
    Ok(match value {
        Value::String(text) => match text.strip_prefix('$').and_then(|name| variables.get(name)) {
            Some(value) => value.clone(),
            None => Value::String(substitute_text(text, variables)?),
        },
        Value::Array(items) => items.iter().map(|item| substitute(item, variables)).collect::<Result<_>>()?,
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(name, value)| Ok((substitute_text(name, variables)?, substitute(value, variables)?)))
                .collect::<Result<_>>()?,
        ),
        other => other.clone(),
    })
}

/// The same for a text within which variables stand.
pub(crate) fn substitute_text(text: &str, variables: &Variables) -> Result<String> {
    let mut parts = text.split('$');
    let mut done = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end =
            part.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')).unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        match variables.get(name).with_context(|| format!("nothing here is called ${name}"))? {
            Value::String(value) => done.push_str(value),
            other => done.push_str(&other.to_string()),
        }
        done.push_str(rest);
    }
    Ok(done)
}

/// The first difference between an answer and what is expected; `also` names further fields that may be there.
pub(crate) fn difference(expected: &Value, came: &Value, also: &BTreeSet<String>) -> Option<String> {
    compare("the answer", expected, came, also).err()
}

fn compare(place: &str, expected: &Value, came: &Value, also: &BTreeSet<String>) -> Result<(), String> {
    match expected {
        Value::Object(fields) => compare_objects(place, fields, came, also),
        Value::Array(items) => compare_lists(place, items, came, also),
        Value::String(text) => compare_text(place, text, came),
        Value::Number(number) if number.is_f64() => {
            expect(place, came.is_number() && came.as_f64() == number.as_f64(), &format!("the number {number}"), came)
        }
        Value::Number(_) => expect(place, expected == came, &format!("the integer {expected}"), came),
        Value::Null | Value::Bool(_) => expect(place, expected == came, &expected.to_string(), came),
    }
}

fn expect(place: &str, right: bool, what: &str, came: &Value) -> Result<(), String> {
    if right { Ok(()) } else { Err(format!("{place} should be {what}, but is {}", short(came))) }
}

/// The beginning of a value.
pub(crate) fn short(value: &Value) -> String {
    const CHARS_MAX: usize = 1500;
    let text = value.to_string();
    if text.chars().count() <= CHARS_MAX {
        return text;
    }
    format!("{}…", text.chars().take(CHARS_MAX).collect::<String>())
}

fn compare_objects(
    place: &str,
    fields: &Map<String, Value>,
    came: &Value,
    also: &BTreeSet<String>,
) -> Result<(), String> {
    let Value::Object(map) = came else {
        return expect(place, false, "an object", came);
    };
    for (name, expected) in fields {
        let place = format!("{place}.{name}");
        match (expected == "<absent>", map.get(name)) {
            (true, None) => {}
            (true, Some(value)) => return Err(format!("{place} should not be there, but is {}", short(value))),
            (false, None) => return Err(format!("{place} is missing")),
            (false, Some(value)) => compare(&place, expected, value, also)?,
        }
    }
    match map.keys().find(|name| !fields.contains_key(*name) && !also.contains(*name)) {
        Some(stray) => Err(format!("{place}.{stray} isn't expected, but is {}", short(&map[stray]))),
        None => Ok(()),
    }
}

/// A list as it stands; or `each: …` (every item, and there is one) and `some: …` (at least one item).
fn compare_lists(place: &str, items: &[Value], came: &Value, also: &BTreeSet<String>) -> Result<(), String> {
    let Value::Array(list) = came else {
        return expect(place, false, "a list", came);
    };
    let pattern = |item: &Value| {
        let (name, inner) = item.as_object().filter(|map| map.len() == 1)?.iter().next()?;
        matches!(name.as_str(), "each" | "some").then(|| (name == "each", inner.clone()))
    };
    let patterns: Vec<_> = items.iter().filter_map(pattern).collect();
    if patterns.len() != items.len() || items.is_empty() {
        if items.len() != list.len() {
            return expect(place, false, &format!("a list of {}", items.len()), came);
        }
        let mut pairs = items.iter().zip(list).enumerate();
        return pairs.try_for_each(|(at, (item, value))| compare(&format!("{place}[{at}]"), item, value, also));
    }
    if list.is_empty() {
        return expect(place, false, "a list that isn't empty", came);
    }
    for (is_each, inner) in &patterns {
        let results: Vec<_> =
            list.iter().enumerate().map(|(at, value)| compare(&format!("{place}[{at}]"), inner, value, also)).collect();
        if *is_each {
            results.into_iter().collect::<Result<(), _>>()?;
        } else if results.iter().all(Result::is_err) {
            let reasons: Vec<_> = results.into_iter().filter_map(Result::err).take(5).collect();
            return Err(format!("{place}: no item is as expected ({})", reasons.join("; ")));
        }
    }
    Ok(())
}

fn compare_text(place: &str, text: &str, came: &Value) -> Result<(), String> {
    let Some(matcher) = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) else {
        return expect(place, came == text, &format!("{text:?}"), came);
    };
    let (kind, argument) = matcher.split_once(' ').unwrap_or((matcher, ""));
    let is_text = |check: &dyn Fn(&str) -> bool| came.as_str().is_some_and(check);
    let right = match kind {
        "any" => true,
        "string" => came.is_string(),
        "text" => is_text(&|text| !text.is_empty()),
        "integer" => came.is_i64() || came.is_u64(),
        "number" => came.is_number(),
        "object" => came.is_object(),
        "hex32" => is_text(&|text| text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))),
        "time" => is_text(&|text| is_time(text, argument)),
        "price" => is_text(&is_price),
        "term" => is_text(&is_term),
        "contains" => is_text(&|text| text.contains(argument)),
        "starts" => is_text(&|text| text.starts_with(argument)),
        "not" => came.as_str().is_some_and(|text| !text.is_empty() && text != argument),
        "one" => argument.trim_start_matches("of ").split(", ").any(|option| {
            came.as_str() == Some(option) || came.as_i64().is_some_and(|number| number.to_string() == option)
        }),
        "list" => came.as_array().is_some_and(|list| format!("of {}", list.len()) == argument),
        _ => return Err(format!("{place}: the case has an unknown matcher {text}")),
    };
    expect(place, right, text, came)
}

/// Whether it is a time written like the example.
fn is_time(text: &str, example: &str) -> bool {
    if example.contains('T') {
        let has_z = text.ends_with('Z');
        has_z && text.parse::<DateTime<Utc>>().is_ok()
    } else if example.len() == 10 {
        text.len() == 10 && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
    } else {
        text.len() == 19 && NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").is_ok()
    }
}

/// Two digits after a decimal comma.
fn is_price(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.split_once(',').is_some_and(|(whole, cents)| digits(whole) && digits(cents) && cents.len() == 2)
}

/// A number and D, W, M or Y.
fn is_term(text: &str) -> bool {
    let number = text.strip_suffix(['D', 'W', 'M', 'Y']);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_nesting_and_types_count() {
        for (expected, came, right) in [
            (json!({"a": 10}), json!({"a": 10}), true),
            (json!({"a": 10}), json!({"a": "10"}), false),
            (json!({"a": 10}), json!({"a": 10.0}), false),
            (json!({"a": 10.0}), json!({"a": 10}), true),
            (json!({"a": "10"}), json!({"a": 10}), false),
            (json!({"a": 1}), json!({"a": 1, "b": 2}), false),
            (json!({"a": 1}), json!({"a": 1, "more": 2}), true),
            (json!({"a": 1, "b": "<absent>"}), json!({"a": 1}), true),
            (json!({"a": 1, "b": "<absent>"}), json!({"a": 1, "b": null}), false),
            (json!({}), json!([]), false),
            (json!([]), json!([1]), false),
            (json!([{"each": "<integer>"}]), json!([1, 2]), true),
            (json!([{"each": "<integer>"}]), json!([1, 2.5]), false),
            (json!([{"each": "<integer>"}]), json!([]), false),
            (json!([{"some": "<text>"}, {"each": "<any>"}]), json!([1, "x"]), true),
            (json!([{"some": "<text>"}]), json!([1, ""]), false),
            (json!("<time 2024-12-31 23:59:59>"), json!("2026-02-01 00:00:00"), true),
            (json!("<time 2024-12-31 23:59:59>"), json!("2026-02-01T00:00:00Z"), false),
            (json!("<time 2024-05-20T12:00:00Z>"), json!("2026-02-01T00:00:00Z"), true),
            (json!("<time 2024-05-20T12:00:00Z>"), json!("2026-02-01T00:00:00+00:00"), false),
            (json!("<time 2024-12-31>"), json!("2026-02-01"), true),
            (json!("<time 2024-12-31>"), json!("2026-02-30"), false),
            (json!("<time 2024-12-31>"), json!("2026-02-01 00:00:00"), false),
            (json!("<price>"), json!("4,99"), true),
            (json!("<price>"), json!("4.99"), false),
            (json!("<one of 404, 422>"), json!(422), true),
            (json!("<one of running, off>"), json!("deleting"), false),
            (json!("<list of 2>"), json!([1, 2]), true),
            (json!("<not abc>"), json!("abc"), false),
            (json!("<hex32>"), json!("5f8e9d2a1b0c4e3f7a6b5c4d3e2f1a0b"), true),
        ] {
            let also = BTreeSet::from(["more".to_owned()]);
            let found = difference(&expected, &came, &also);
            assert_eq!(found.is_none(), right, "{expected} and {came}: {found:?}");
        }
    }

    #[test]
    fn a_variable_keeps_its_type_where_it_stands_alone() {
        let Value::Object(variables) = json!({"customer_id": 7, "package": "p-1"}) else { unreachable!() };
        let case = json!({"id": "$customer_id", "text": "customer $customer_id, $package.", "$package": {}});
        let done = json!({"id": 7, "text": "customer 7, p-1.", "p-1": {}});
        assert_eq!(substitute(&case, &variables).unwrap(), done);
        assert!(substitute(&json!("$nothing"), &variables).is_err());
    }
}
