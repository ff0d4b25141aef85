//! Both encodings carry the same values, and what is broken is named.

use messages::{DecodeError, Encoding, Event};
use proptest::prelude::*;
use serde_json::{Value, json};

const ENCODINGS: [Encoding; 2] = [Encoding::MessagePack, Encoding::Json];

fn event() -> Event {
    Event {
        id: "5f8e9d2a-1b0c-4e3f-8a6b-5c4d3e2f1a0b".parse().expect("a UUID"),
        source: "/purser/provisioner".to_owned(),
        event: "bucket.created".to_owned(),
        subject: "account/5f8e9d2a1b0c4e3f7a6b5c4d3e2f1a0b".to_owned(),
        subject_version: 3,
        time: "2026-11-22T01:02:03Z".parse().expect("a time"),
        customer_id: Some(model::CustomerId(7)),
        description: "Bucket abc created".to_owned(),
        data: json!({"bucket_name": "abc"}),
    }
}

#[test]
fn an_event_survives_both_encodings_also_by_way_of_untyped_json() {
    for encoding in ENCODINGS {
        let typed = encoding.encode(&event()).unwrap();
        let untyped = encoding.encode(&serde_json::to_value(event()).unwrap()).unwrap();
        for body in [typed, untyped] {
            assert_eq!(encoding.decode::<Event>(&body).unwrap(), event(), "{encoding:?}");
        }
    }
}

#[test]
fn broken_bodies_are_named() {
    for (content_type, body, complaint) in [
        ("application/msgpack", &[0xc1][..], "the body is no valid MessagePack"),
        ("application/msgpack", &[0x81, 0xa1, b'a'][..], "the body is no valid MessagePack"),
        ("application/msgpack", &[0x80, 0x80][..], "1 bytes follow the map"),
        ("application/msgpack", &[0x93, 1, 2, 3][..], "the body must be a map"),
        ("application/json", b"{\"a\":", "the body is no valid JSON"),
        ("application/json", b"[1]", "the body must be a map"),
        ("text/plain", b"a=b", "content_type must be application/msgpack or application/json"),
    ] {
        let error = Encoding::from_content_type(Some(content_type)).and_then(|e| e.decode_map(body)).unwrap_err();
        assert!(error.to_string().contains(complaint), "{error}");
    }
    let deep = vec![0x91; 10_000];
    assert!(matches!(Encoding::MessagePack.decode_map(&deep), Err(DecodeError::Malformed(..))));
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for encoding in ENCODINGS {
            let _ = encoding.decode_map(&bytes);
        }
    }

    #[test]
    fn maps_survive(entries in prop::collection::btree_map("[a-z_]{1,8}", any::<(i64, String, bool)>(), 0..6)) {
        let map: serde_json::Map<String, Value> =
            entries.into_iter().map(|(key, (number, text, flag))| (key, json!([number, text, flag, null]))).collect();
        for encoding in ENCODINGS {
            let body = encoding.encode(&map).unwrap();
            prop_assert_eq!(encoding.decode_map(&body).unwrap(), map.clone());
        }
    }
}
