//! Parameters from query string, form body and JSON body, as PHP clients write them.
//!
//! `key[name]=v` makes an object, `key[]=v` a list; the last of several values of one name wins, and the body wins
//! over the query string, name by name.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use url::form_urlencoded;

/// As many pairs as PHP itself takes.
pub(crate) const PAIRS_MAX: usize = 1000;
const DEPTH_MAX: usize = 8;
const NAME_BYTES_MAX: usize = 256;

/// Why parameters can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParametersError {
    /// A body of a type that is not read here.
    #[error("the body must be application/x-www-form-urlencoded or application/json, not {0}")]
    ContentType(String),
    #[error("the body is no valid JSON: {0}")]
    Json(String),
    #[error("the body must be a JSON object of parameters, for example {{\"action\": \"list_plans\"}}")]
    NotAnObject,
    #[error("at most {PAIRS_MAX} parameters are read")]
    TooMany,
    #[error("names of parameters have at most {NAME_BYTES_MAX} bytes and {DEPTH_MAX} levels of brackets")]
    Name,
}

/// All parameters of a request.
pub(crate) fn read(
    query: Option<&str>,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<Map<String, Value>, ParametersError> {
    let mut parameters = read_form(query.unwrap_or_default().as_bytes())?;
    parameters.extend(read_body(content_type, body)?);
    Ok(parameters)
}

/// Takes a parameter that is a text. A number counts as one; an empty text counts as absent.
pub(crate) fn take_text(parameters: &mut Map<String, Value>, name: &str) -> Option<String> {
    match parameters.remove(name)? {
        Value::Null => None,
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        other => Some(other.to_string()),
    }
}

fn read_body(content_type: Option<&str>, body: &[u8]) -> Result<Map<String, Value>, ParametersError> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    let content_type = content_type.unwrap_or_default();
    match content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/x-www-form-urlencoded" => read_form(body),
        "application/json" => match serde_json::from_slice(body) {
            Ok(Value::Object(map)) if map.len() > PAIRS_MAX => Err(ParametersError::TooMany),
            Ok(Value::Object(map)) => Ok(map),
            Ok(_) => Err(ParametersError::NotAnObject),
            Err(error) => Err(ParametersError::Json(error.to_string())),
        },
        "" => Err(ParametersError::ContentType("without a Content-Type".to_owned())),
        other => Err(ParametersError::ContentType(other.chars().take(80).collect())),
    }
}

fn read_form(form: &[u8]) -> Result<Map<String, Value>, ParametersError> {
    let mut root = Branch::default();
    for (count, (name, value)) in form_urlencoded::parse(form).enumerate() {
        if count == PAIRS_MAX {
            return Err(ParametersError::TooMany);
        }
        if name.is_empty() {
            continue;
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(ParametersError::Name);
        }
        let path = split_name(&name);
        if path.len() > DEPTH_MAX {
            return Err(ParametersError::Name);
        }
        root.insert(&path, value.into_owned());
    }
    Ok(root.into_object())
}

/// `a[b][]` is `a`, `b` and an empty part; what doesn't have this form is one name as it stands.
fn split_name(name: &str) -> Vec<&str> {
    let parts = || {
        let (base, rest) = name.split_once('[')?;
        let inner = rest.strip_suffix(']')?;
        let parts: Vec<_> = std::iter::once(base).chain(inner.split("][")).collect();
        let well_formed = !base.is_empty() && parts.iter().all(|part| !part.contains(['[', ']']));
        well_formed.then_some(parts)
    };
    parts().unwrap_or_else(|| vec![name])
}

/// A PHP array: a map that is a list where its keys count from zero.
#[derive(Default)]
struct Branch {
    entries: BTreeMap<String, Node>,
    next_index: u64,
}

enum Node {
    Text(String),
    Branch(Branch),
}

impl Branch {
    fn insert(&mut self, path: &[&str], value: String) {
        let Some((first, rest)) = path.split_first() else { return };
        let key = if first.is_empty() { self.next_index.to_string() } else { (*first).to_owned() };
        if let Ok(index) = key.parse::<u64>() {
            self.next_index = self.next_index.max(index.saturating_add(1));
        }
        if rest.is_empty() {
            self.entries.insert(key, Node::Text(value));
            return;
        }
        let node = self.entries.entry(key).or_insert_with(|| Node::Branch(Self::default()));
        match node {
            Node::Branch(branch) => branch.insert(rest, value),
            Node::Text(_) => {
                let mut branch = Self::default();
                branch.insert(rest, value);
                *node = Node::Branch(branch);
            }
        }
    }

    fn into_object(self) -> Map<String, Value> {
        self.entries.into_iter().map(|(key, node)| (key, node.into_value())).collect()
    }
}

impl Node {
    fn into_value(self) -> Value {
        let branch = match self {
            Self::Text(text) => return Value::String(text),
            Self::Branch(branch) => branch,
        };
        let mut object = branch.into_object();
        if (0..object.len()).all(|index| object.contains_key(&index.to_string())) {
            // By number, not in the map's order, where 10 comes before 2.
            (0..object.len()).filter_map(|index| object.remove(&index.to_string())).collect()
        } else {
            Value::Object(object)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const FORM: Option<&str> = Some("application/x-www-form-urlencoded; charset=UTF-8");
    const JSON: Option<&str> = Some("application/json");

    #[test]
    fn forms_are_read_as_php_reads_them() {
        for (form, expected) in [
            ("", json!({})),
            ("a=1&b=x+y%21", json!({"a": "1", "b": "x y!"})),
            ("a", json!({"a": ""})),
            ("a=1&a=2", json!({"a": "2"})),
            ("a[b]=1&a[c]=2", json!({"a": {"b": "1", "c": "2"}})),
            ("a%5Bb%5D=1", json!({"a": {"b": "1"}})),
            ("a[]=1&a[]=2", json!({"a": ["1", "2"]})),
            ("a[0]=1&a[1]=2", json!({"a": ["1", "2"]})),
            ("a[3]=1&a[]=2", json!({"a": {"3": "1", "4": "2"}})),
            ("a[b][]=1&a[b][]=2&a[c][d]=3", json!({"a": {"b": ["1", "2"], "c": {"d": "3"}}})),
            ("a=1&a[b]=2", json!({"a": {"b": "2"}})),
            ("a[b]=2&a=1", json!({"a": "1"})),
            ("a[=1&]b[=2&[c]=3&d[e=4", json!({"a[": "1", "]b[": "2", "[c]": "3", "d[e": "4"})),
            ("a[b]c=1&a[b[c]]=2", json!({"a[b]c": "1", "a[b[c]]": "2"})),
            ("&&=&=1", json!({})),
            ("a=%FF", json!({"a": "\u{fffd}"})),
        ] {
            assert_eq!(Value::Object(read(None, FORM, form.as_bytes()).unwrap()), expected, "{form}");
        }
    }

    #[test]
    fn lists_of_more_than_ten_keep_their_order() {
        let form =
            (0..12).map(|number| number.to_string()).fold(String::new(), |form, number| form + "a[]=" + &number + "&");
        let expected: Vec<_> = (0..12).map(|number| number.to_string()).collect();
        assert_eq!(read(None, FORM, form.as_bytes()).unwrap()["a"], json!(expected));
    }

    #[test]
    fn the_body_wins_over_the_query_string() {
        let form = read(Some("action=history&id=1"), FORM, b"id=2").unwrap();
        assert_eq!(Value::Object(form), json!({"action": "history", "id": "2"}));
        let json = read(Some("action=history&id=1"), JSON, br#"{"id": 3, "deep": {"list": [1, null]}}"#).unwrap();
        assert_eq!(Value::Object(json), json!({"action": "history", "id": 3, "deep": {"list": [1, null]}}));
    }

    #[test]
    fn what_is_no_set_of_parameters_is_refused_with_what_would_be_right() {
        let many = "p=&".repeat(PAIRS_MAX + 1);
        let deep = format!("a{}=1", "[b]".repeat(DEPTH_MAX));
        let long = format!("{}=1", "n".repeat(NAME_BYTES_MAX + 1));
        for (content_type, body, message) in [
            (FORM, many.as_str(), "at most 1000 parameters are read"),
            (FORM, &deep, "names of parameters have at most 256 bytes and 8 levels of brackets"),
            (FORM, &long, "names of parameters have at most 256 bytes and 8 levels of brackets"),
            (JSON, "[1]", "the body must be a JSON object of parameters, for example {\"action\": \"list_plans\"}"),
            (JSON, "{", "the body is no valid JSON: EOF while parsing an object at line 1 column 1"),
            (
                Some("text/xml"),
                "<a/>",
                "the body must be application/x-www-form-urlencoded or application/json, not text/xml",
            ),
            (
                None,
                "a=1",
                "the body must be application/x-www-form-urlencoded or application/json, not without a Content-Type",
            ),
        ] {
            assert_eq!(read(None, content_type, body.as_bytes()).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn an_empty_body_needs_no_type() {
        assert!(read(None, Some("text/plain"), b"").unwrap().is_empty());
    }

    #[test]
    fn texts_are_taken_once_and_empty_ones_are_absent() {
        let Value::Object(mut parameters) = json!({"a": " x ", "b": "", "c": null, "d": 7}) else { unreachable!() };
        let taken = ["a", "b", "c", "d", "e"].map(|name| take_text(&mut parameters, name));
        assert_eq!(taken, [Some("x".to_owned()), None, None, Some("7".to_owned()), None]);
        assert!(parameters.is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(query in ".*", body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(Some(&query), FORM, &body);
            let _ = read(Some(&query), JSON, &body);
        }

        #[test]
        fn no_brackets_make_it_panic(form in "([ab\\[\\]=&0-9]|%5B|%5D){0,80}") {
            let _ = read(None, FORM, form.as_bytes());
        }

        #[test]
        fn pairs_survive(pairs in proptest::collection::btree_map("[a-z]{1,8}", ".{0,20}", 0..20)) {
            let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let read = read(None, FORM, form.as_bytes()).unwrap();
            prop_assert_eq!(serde_json::to_value(&pairs).unwrap(), Value::Object(read));
        }
    }
}
