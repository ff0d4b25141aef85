//! What requests and answers look like by WHMCS's documentation: `fields.json`, and checks against it.
//!
//! Types of a request: `int`, `float`, `bool` (1 or 0), `date`, `datetime`, `fields` (serialized custom fields),
//! `string`, `array`, one of several (`Active/Suspended`), and lists of them (`int[]`). Types of an answer: `int` (a
//! JSON number), `digits` (a number as text), `money` (`"15.95"`), `rate`, `date`, `datetime`, `text`, `bool`, `null`,
//! and `|` between them. A name with `?` may be missing; `flat` answers have keys like `a[b][0][c]`.

use std::sync::LazyLock;

use chrono::{NaiveDate, NaiveDateTime};
use serde_json::{Map, Value, json};

use super::parameters::{Parameter, Parameters};
use super::php;

static FIELDS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("fields.json")).expect("fields.json is JSON"));

/// What every request may have.
pub(super) const COMMON: [&str; 7] =
    ["action", "identifier", "secret", "username", "password", "accesskey", "responsetype"];

/// A documented action.
#[derive(Debug, Clone, Copy)]
pub(super) struct Action {
    pub(super) name: &'static str,
    fields: &'static Value,
}

impl Action {
    /// The action of that name, in any case.
    pub(super) fn find(name: &str) -> Option<Self> {
        let mut actions = FIELDS.as_object()?.iter();
        let (name, fields) = actions.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(Self { name, fields })
    }

    /// What is wrong with a request's parameters.
    pub(super) fn check_request(self, parameters: &Parameters) -> Vec<String> {
        let mut wrong = Vec::new();
        if parameters.text("responsetype") != Some("json") {
            wrong.push("responsetype isn't json".to_owned());
        }
        let documented = self.fields["request"].as_object().into_iter().flatten();
        for (name, kind) in documented {
            let (name, is_optional) = plain_name(name);
            match parameters.get(name) {
                None if is_optional => {}
                None => wrong.push(format!("{name} is missing")),
                Some(value) if is_parameter(value, kind.as_str().unwrap_or_default()) => {}
                Some(value) => wrong.push(format!("{name} is no {kind}: {value:?}")),
            }
        }
        // Looking for it has marked each documented one as read; whoever handles the request has to do so again.
        wrong.extend(parameters.unread(&COMMON).iter().map(|name| format!("{name} isn't documented")));
        parameters.forget_reads();
        wrong
    }

    /// What is wrong with a successful answer, before it is made flat.
    pub(super) fn check_answer(self, answer: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        check(&self.fields["response"], answer, "", &mut wrong);
        wrong
    }

    /// The part of the documented answer behind `pointer`, with nothing in it: all that must be there.
    pub(super) fn blank(self, pointer: &str) -> Value {
        self.fields["response"].pointer(pointer).map_or(Value::Null, blank)
    }

    /// The answer as it is sent.
    pub(super) fn sent(self, answer: Value) -> Value {
        if self.fields["flat"] != json!(true) {
            return answer;
        }
        let mut flat = Map::new();
        flatten(String::new(), answer, &mut flat);
        Value::Object(flat)
    }
}

fn plain_name(name: &str) -> (&str, bool) {
    name.strip_suffix('?').map_or((name, false), |name| (name, true))
}

fn is_parameter(value: &Parameter, kind: &str) -> bool {
    match (value, kind.strip_suffix("[]")) {
        (_, None) if kind == "array" => true,
        (Parameter::Text(text), None) => is_text_of(text, kind),
        // WHMCS has an error of its own for this.
        (Parameter::Text(_), Some(_)) => true,
        (Parameter::List(items), Some(kind)) => items.values().all(|text| is_text_of(text, kind)),
        (Parameter::List(_), None) => false,
    }
}

fn is_text_of(text: &str, kind: &str) -> bool {
    match kind {
        "int" => text.parse::<i64>().is_ok(),
        "float" => text.parse::<rust_decimal::Decimal>().is_ok(),
        "bool" => matches!(text, "0" | "1"),
        "date" => text == NO_DATE || text.parse::<NaiveDate>().is_ok(),
        "datetime" => NaiveDateTime::parse_from_str(text, TIME_FORMAT).is_ok(),
        "fields" => php::custom_fields(text).is_ok(),
        _ if kind.contains('/') => kind.split('/').any(|known| known == text),
        _ => true,
    }
}

fn check(expected: &Value, found: &Value, place: &str, wrong: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            for (name, expected) in expected {
                let (name, is_optional) = plain_name(name);
                match found.get(name) {
                    Some(found) => check(expected, found, &format!("{place}/{name}"), wrong),
                    None if is_optional => {}
                    None => wrong.push(format!("the answer lacks {place}/{name}")),
                }
            }
            let unknown = found.keys().filter(|name| !has(expected, name));
            wrong.extend(unknown.map(|name| format!("{place}/{name} isn't documented")));
        }
        (Value::Object(expected), Value::String(text)) if text.is_empty() && is_list_in_object(expected) => {}
        (Value::Array(expected), Value::Array(found)) => {
            for (index, found) in found.iter().enumerate() {
                let place = format!("{place}/{index}");
                match expected.first() {
                    Some(expected) => check(expected, found, &place, wrong),
                    None => wrong.push(format!("{place} isn't documented")),
                }
            }
        }
        (Value::String(kinds), found) if kinds.split('|').any(|kind| is_value(found, kind)) => {}
        _ => wrong.push(format!("{place} is no {expected}: {found}")),
    }
}

fn has(expected: &Map<String, Value>, name: &str) -> bool {
    expected.keys().any(|known| plain_name(known).0 == name)
}

/// Such as `{"product": [ … ]}`, which may be `""` when there is none.
fn is_list_in_object(expected: &Map<String, Value>) -> bool {
    expected.len() == 1 && expected.values().all(Value::is_array)
}

fn is_value(found: &Value, kind: &str) -> bool {
    let text = found.as_str();
    let decimals = || text.filter(|text| text.parse::<f64>().is_ok())?.split_once('.').map(|(_, places)| places.len());
    match kind {
        "int" => found.is_i64(),
        "bool" => found.is_boolean(),
        "null" => found.is_null(),
        "text" => text.is_some(),
        "digits" => text.is_some_and(|text| text.parse::<i64>().is_ok()),
        "money" => decimals() == Some(2),
        "rate" => decimals() >= Some(3),
        "date" => text.is_some_and(|text| text == NO_DATE || text.parse::<NaiveDate>().is_ok()),
        "datetime" => {
            text.is_some_and(|text| text == NO_TIME || NaiveDateTime::parse_from_str(text, TIME_FORMAT).is_ok())
        }
        _ => false,
    }
}

/// How WHMCS writes a time.
pub(super) const TIME_FORMAT: &str = "%Y-%m-%d %H:%M:%S";
const NO_DATE: &str = "0000-00-00";
const NO_TIME: &str = "0000-00-00 00:00:00";

fn blank(expected: &Value) -> Value {
    match expected {
        Value::Object(fields) => {
            let required = fields.iter().filter(|(name, _)| !name.ends_with('?'));
            required.map(|(name, expected)| (name.clone(), blank(expected))).collect()
        }
        Value::Array(_) => json!([]),
        Value::String(kind) => match kind.as_str() {
            "int" => json!(0),
            "bool" => json!(false),
            "digits" => json!("0"),
            "money" => json!("0.00"),
            "rate" => json!("0.000"),
            "date" => json!(NO_DATE),
            "datetime" => json!(NO_TIME),
            kind if kind.contains("null") => Value::Null,
            _ => json!(""),
        },
        _ => Value::Null,
    }
}

fn flatten(place: String, value: Value, flat: &mut Map<String, Value>) {
    let below = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}[{key}]") };
    match value {
        Value::Object(fields) => fields.into_iter().for_each(|(name, value)| flatten(below(&name), value, flat)),
        Value::Array(items) => {
            items.into_iter().enumerate().for_each(|(index, item)| flatten(below(&index.to_string()), item, flat));
        }
        scalar => {
            flat.insert(place, scalar);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_blank_answer_is_a_documented_one() {
        for name in FIELDS.as_object().expect("actions").keys() {
            let action = Action::find(&name.to_lowercase()).expect("a documented action");
            assert_eq!(action.check_answer(&action.blank("")), Vec::<String>::new(), "{name}");
        }
        assert!(Action::find("NoSuchAction").is_none());
    }

    #[test]
    fn wrong_requests_are_noticed() {
        let action = Action::find("AddOrder").expect("a documented action");
        let right = "responsetype=json&secret=s&clientid=1&paymentmethod=mailin&pid[]=5&noinvoice=1";
        assert_eq!(action.check_request(&Parameters::parse("", right.as_bytes())), Vec::<String>::new());
        for (change, expected) in [
            ("&clientid=one", "clientid is no"),
            ("&noinvoice=true", "noinvoice is no"),
            ("&customfields[0]=YToxOnt9", "customfields is no"),
            ("&priceoverride[0]=cheap", "priceoverride is no"),
            ("&invoiceid=7", "invoiceid isn't documented"),
            ("&responsetype=xml", "responsetype isn't json"),
        ] {
            let wrong = action.check_request(&Parameters::parse("", format!("{right}{change}").as_bytes()));
            assert!(wrong.len() == 1 && wrong[0].starts_with(expected), "{change}: {wrong:?}");
        }
        let wrong = action.check_request(&Parameters::parse("responsetype=json", b"clientid=1"));
        assert_eq!(wrong, ["paymentmethod is missing"]);
        let action = Action::find("UpdateClientProduct").expect("a documented action");
        for (status, is_right) in [("Active", true), ("Asleep", false)] {
            let form = format!("responsetype=json&serviceid=1&status={status}");
            assert_eq!(action.check_request(&Parameters::parse("", form.as_bytes())).is_empty(), is_right, "{status}");
        }
    }

    #[test]
    fn wrong_answers_are_noticed() {
        let action = Action::find("GetInvoice").expect("a documented action");
        for (field, value, is_right) in [
            ("invoiceid", json!(7), true),
            ("invoiceid", json!("7"), false),
            ("total", json!("7.00"), true),
            ("total", json!("7"), false),
            ("total", json!(7.0), false),
            ("date", json!("2031-02-03"), true),
            ("date", json!("03.02.2031"), false),
            ("transactions", json!(""), true),
            ("transactions", json!("none"), false),
            ("items", json!({"item": [{"id": 1}]}), false),
            ("extra", json!(1), false),
        ] {
            let mut answer = action.blank("");
            answer[field] = value.clone();
            assert_eq!(action.check_answer(&answer).is_empty(), is_right, "{field}: {value}");
        }
        assert!(!action.check_answer(&json!({"result": "success"})).is_empty());
    }

    #[test]
    fn some_answers_are_flat() {
        let action = Action::find("GetCancelledPackages").expect("a documented action");
        let nested = json!({"result": "success", "packages": {"package": [{"id": "4"}, {"id": "5"}]}});
        let flat = json!({"result": "success", "packages[package][0][id]": "4", "packages[package][1][id]": "5"});
        assert_eq!(action.sent(nested), flat);
    }
}
