//! `proto-schemas/` and the types agree.

use jsonschema::Validator;
use messages::Encoding;
use serde_json::{Map, Value, json};

use crate::typed::Seen;
use crate::{read, sample_names, samples_dir, schemas_dir, typed};

/// A sample, as JSON, with the schema that it must meet.
struct Sample {
    name: String,
    value: Value,
    schema: Value,
}

impl Sample {
    fn validator(&self) -> Validator {
        let options = jsonschema::options().should_validate_formats(true);
        options.build(&self.schema).unwrap_or_else(|error| panic!("the schema of {}: {error}", self.name))
    }

    fn is_request(&self) -> bool {
        self.name.starts_with("command.") || self.name.starts_with("query.")
    }

    /// The sample with something about it changed, read by the types.
    fn seen(&self, change: impl FnOnce(&mut Map<String, Value>)) -> (Value, Result<Seen, String>) {
        let mut changed = self.value.clone();
        change(changed.as_object_mut().expect("a map"));
        let seen = typed::read(&self.name, Encoding::Json, changed.to_string().as_bytes());
        (changed, seen)
    }
}

fn samples() -> Vec<Sample> {
    let json = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).expect("JSON");
    let samples = sample_names(&samples_dir()).into_iter().map(|name| {
        let (kind, rest) = name.split_once('.').expect("samples are called <kind>.<name>");
        let folder = match kind {
            "query" => "queries".to_owned(),
            "reply" => "replies".to_owned(),
            kind => format!("{kind}s"),
        };
        let schema = json(read(schemas_dir().join(format!("json-schema/{folder}/{rest}.json"))));
        Sample { value: json(read(samples_dir().join(format!("{name}.json")))), schema, name }
    });
    samples.collect()
}

#[test]
fn samples_are_what_their_schemas_and_types_say_in_both_encodings() {
    for sample in samples() {
        let validator = sample.validator();
        assert!(validator.is_valid(&sample.value), "{}: {:?}", sample.name, validator.validate(&sample.value));
        for (encoding, extension) in [(Encoding::Json, "json"), (Encoding::MessagePack, "msgpack")] {
            let body = read(samples_dir().join(format!("{}.{extension}", sample.name)));
            let seen = typed::read(&sample.name, encoding, &body);
            let seen = seen.unwrap_or_else(|error| panic!("{}, {encoding:?}: {error}", sample.name));
            assert_eq!(seen.value, sample.value, "{}, {encoding:?}", sample.name);
        }
    }
}

#[test]
fn schemas_and_types_agree_on_what_is_required() {
    for sample in samples().iter().filter(|sample| sample.is_request()) {
        let validator = sample.validator();
        for name in sample.value.as_object().expect("a map").keys() {
            let (changed, seen) = sample.seen(|map| drop(map.remove(name)));
            assert_eq!(validator.is_valid(&changed), seen.is_ok(), "{} without {name}: {seen:?}", sample.name);
        }
    }
}

#[test]
fn numbers_may_be_text_where_the_schema_says_so() {
    let mut tried = 0;
    for sample in samples().iter().filter(|sample| sample.is_request()) {
        let validator = sample.validator();
        let (_, expected) = sample.seen(|_| ());
        let numbers = sample.value.as_object().expect("a map").iter().filter(|(_, value)| value.is_number());
        for (name, number) in numbers {
            let (changed, seen) = sample.seen(|map| map[name] = json!(number.to_string()));
            assert_eq!(validator.is_valid(&changed), seen.is_ok(), "{}: {name}", sample.name);
            if seen.is_ok() {
                assert_eq!(seen, expected, "{}: {name}", sample.name);
                tried += 1;
            }
            let (changed, seen) = sample.seen(|map| map[name] = json!("seven"));
            assert!(!validator.is_valid(&changed) && seen.is_err(), "{}: {name}", sample.name);
        }
    }
    assert!(tried > 5, "only {tried} numbers");
}

#[test]
fn other_names_mean_what_the_schema_says() {
    let mut tried = 0;
    for sample in samples().iter().filter(|sample| sample.is_request()) {
        let validator = sample.validator();
        let (_, expected) = sample.seen(|_| ());
        let properties = sample.schema["properties"].as_object().expect("properties");
        for (alias, property) in properties.iter().filter(|(_, property)| property["deprecated"] == json!(true)) {
            let name = property["description"].as_str().and_then(|text| text.split('`').nth(1)).expect("a name");
            let Some(value) = sample.value.get(name).cloned() else { continue };
            let (changed, seen) = sample.seen(|map| {
                map.remove(name);
                map.insert(alias.clone(), value);
            });
            assert!(validator.is_valid(&changed), "{}: {alias}", sample.name);
            assert_eq!(seen, expected, "{}: {alias}", sample.name);
            tried += 1;
        }
    }
    assert!(tried > 10, "only {tried} other names");
}

#[test]
fn replies_and_events_of_another_shape_are_recognised() {
    for sample in samples().iter().filter(|sample| !sample.is_request()) {
        let validator = sample.validator();
        for name in ["code", "action", "event", "source"] {
            if sample.value.get(name).is_some() {
                let mut changed = sample.value.clone();
                changed[name] = json!("something else");
                assert!(!validator.is_valid(&changed), "{}: {name}", sample.name);
            }
        }
    }
}
