//! Messages of former versions are still read, and mean the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use messages::Encoding;
use serde_json::{Value, json};

use crate::{read, sample_names, samples_dir, typed};

const FINGERPRINTS: &str = "fingerprints.json";
const ENCODINGS: [(Encoding, &str); 2] = [(Encoding::Json, "json"), (Encoding::MessagePack, "msgpack")];

fn frozen_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frozen")
}

fn folders() -> Vec<PathBuf> {
    let entries = fs::read_dir(frozen_dir()).expect("tests/frozen");
    let folders: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()).collect();
    assert!(!folders.is_empty(), "nothing is frozen");
    folders
}

/// Adds a field that no version knows to every map that has named fields.
fn with_unknown_fields(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(with_unknown_fields);
            let is_price_list = !map.is_empty() && map.values().all(Value::is_f64);
            let is_package_list = map.keys().any(|name| name.starts_with("st-"));
            if !is_price_list && !is_package_list {
                map.insert("of_a_later_version".to_owned(), json!({"a": [1, null]}));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(with_unknown_fields),
        _ => {}
    }
}

/// Whether everything that was in a message still is; more may have come.
fn holds(now: &Value, then: &Value) -> bool {
    match (now, then) {
        (Value::Object(now), Value::Object(then)) => {
            then.iter().all(|(name, then)| now.get(name).is_some_and(|now| holds(now, then)))
        }
        (Value::Array(now), Value::Array(then)) => {
            now.len() == then.len() && now.iter().zip(then).all(|(now, then)| holds(now, then))
        }
        _ => now == then,
    }
}

#[test]
fn old_messages_are_still_read() {
    for folder in folders() {
        let fingerprints: BTreeMap<String, String> =
            serde_json::from_slice(&read(folder.join(FINGERPRINTS))).expect("fingerprints");
        for name in sample_names(&folder) {
            for (encoding, extension) in ENCODINGS {
                let shown = format!("{}/{name}.{extension}", folder.display());
                let seen = typed::read(&name, encoding, &read(folder.join(format!("{name}.{extension}"))));
                let seen = seen.unwrap_or_else(|error| panic!("{shown}: {error}"));
                assert_eq!(seen.fingerprint.as_ref(), fingerprints.get(&name), "{shown}");
                let sample = serde_json::from_slice(&read(folder.join(format!("{name}.json")))).expect("JSON");
                assert!(holds(&seen.value, &sample), "{shown} has lost something: {}", seen.value);
            }
        }
    }
}

#[test]
fn fields_of_later_versions_are_ignored() {
    for folder in folders() {
        for name in sample_names(&folder) {
            let sample: Value = serde_json::from_slice(&read(folder.join(format!("{name}.json")))).expect("JSON");
            let mut extended = sample.clone();
            with_unknown_fields(&mut extended);
            // A refusal's details are free-form, so they keep what they hold.
            let is_free_form = name.ends_with("failure");
            for (encoding, _) in ENCODINGS {
                let read = |value: &Value| typed::read(&name, encoding, &encoding.encode(value).expect("a body"));
                let (expected, seen) = (read(&sample).expect("it is read"), read(&extended));
                let seen = seen.unwrap_or_else(|error| panic!("{name}, {encoding:?}: {error}"));
                assert_eq!(seen.fingerprint, expected.fingerprint, "{name}, {encoding:?}");
                assert!(is_free_form || seen.value == expected.value, "{name}, {encoding:?}: {}", seen.value);
            }
        }
    }
}

#[test]
#[ignore = "adds a folder of today's samples; run it by hand when the contract has grown"]
fn freeze() {
    let day = std::env::var("PURSER_FREEZE").expect("PURSER_FREEZE names the folder: a day such as 2026-11-22");
    let folder = frozen_dir().join(day);
    fs::create_dir(&folder).expect("a new folder: old ones are never changed");
    let mut fingerprints = BTreeMap::new();
    for name in sample_names(&samples_dir()) {
        for (encoding, extension) in ENCODINGS {
            let file = format!("{name}.{extension}");
            let body = read(samples_dir().join(&file));
            let seen = typed::read(&name, encoding, &body).expect("a sample");
            fingerprints.extend(seen.fingerprint.map(|fingerprint| (name.clone(), fingerprint)));
            fs::write(folder.join(file), body).expect("a copy");
        }
    }
    let text = serde_json::to_string_pretty(&fingerprints).expect("JSON");
    fs::write(folder.join(FINGERPRINTS), format!("{text}\n")).expect("fingerprints");
}
