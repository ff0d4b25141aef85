//! Makes the messages.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use bus::{HeaderValue, Message};
use messages::{ACTIONS, ActionKind, ActionSpec, Api, Encoding};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Nobody's: what is by chance a sound order is refused.
const STRANGE_CUSTOMERS: std::ops::Range<i64> = 900_000..900_100;
const LARGE_BODY_BYTES: usize = 1_100_000;

/// Who sends a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The PHP frontend, whose word counts.
    Frontend,
    /// A worker, whose events and internal commands count. It sends only what can't be read.
    Role,
    /// A broker user that may publish anywhere, and whom nobody trusts.
    Stranger,
}

/// An endless supply of messages, always the same for the same seed.
#[derive(Debug)]
pub struct Forge {
    rng: StdRng,
    samples: Vec<Sample>,
}

/// A documented message, asking for a customer who doesn't exist.
#[derive(Debug)]
struct Sample {
    spec: &'static ActionSpec,
    body: Map<String, Value>,
}

impl Forge {
    /// Reads the published samples.
    pub fn new(seed: u64) -> Result<Self> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto-schemas/samples");
        let mut samples = Vec::new();
        for spec in ACTIONS {
            let kind = if spec.kind == ActionKind::Query { "query" } else { "command" };
            let path = dir.join(format!("{kind}.{}.json", spec.name));
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            samples.push(Sample { spec, body: serde_json::from_str(&text)? });
        }
        Ok(Self { rng: StdRng::seed_from_u64(seed), samples })
    }

    /// The next message, and who sends it.
    pub fn next_message(&mut self) -> (Sender, Message) {
        let sender = match self.rng.random_range(0..100) {
            0..75 => Sender::Frontend,
            75..80 => Sender::Role,
            _ => Sender::Stranger,
        };
        let message = match (sender, self.rng.random_range(0..20)) {
            (Sender::Role, _) => self.unreadable_event(),
            (Sender::Stranger, 0) => Message::new("s3.rgw", "purser", self.bytes()),
            (Sender::Stranger, 1) => Message::new("", "s3.billing.events", self.bytes()),
            _ => self.request(),
        };
        (sender, message)
    }

    fn unreadable_event(&mut self) -> Message {
        let mut body = self.bytes();
        // No MessagePack begins with this byte.
        body.insert(0, 0xc1);
        Message { message_type: Some("bucket.created".to_owned()), ..Message::new("s3.events", "bucket.created", body) }
    }

    fn request(&mut self) -> Message {
        let index = self.rng.random_range(0..self.samples.len());
        let spec = self.samples[index].spec;
        let (content_type, body) = self.body(index);
        let exchange = if spec.kind == ActionKind::Query { "s3.queries" } else { "s3.commands" };
        let mut message = Message::new(exchange, spec.name, body);
        message.message_type = self.mostly(spec.name);
        message.content_type = self.mostly(content_type);
        message.message_id = Some(Uuid::from_u128(self.rng.random()).to_string()).filter(|_| self.one_in(20) < 19);
        if self.one_in(10) < 4 {
            // An address that may be answered, and that nobody reads.
            message.reply_to = Some("reply.flood".to_owned());
            message.correlation_id = Some("1".to_owned());
        }
        if self.one_in(20) == 0 {
            let (name, value) = self.header();
            message.headers.insert(name.to_owned(), value);
        }
        message
    }

    /// The right text, or none, or a wrong one.
    fn mostly(&mut self, right: &str) -> Option<String> {
        match self.one_in(40) {
            0 => None,
            1 => Some("application/xml".to_owned()),
            2 => Some("ü".repeat(100)),
            3 => self.samples.choose(&mut self.rng).map(|sample| sample.spec.name.to_owned()),
            _ => Some(right.to_owned()),
        }
    }

    fn header(&mut self) -> (&'static str, HeaderValue) {
        let headers = [
            ("deadline", HeaderValue::from("tomorrow")),
            ("deadline", HeaderValue::from(i64::MAX)),
            ("deadline", HeaderValue::from("2020-01-01T00:00:00Z")),
            ("traceparent", HeaderValue::from("\u{0}")),
            ("x-publisher", HeaderValue::from("purser-billing")),
            ("x-attempts", HeaderValue::from(1_000_000)),
            ("x-busy", HeaderValue::from(-1)),
            ("CC", HeaderValue::from("s3.billing")),
        ];
        headers.choose(&mut self.rng).cloned().unwrap_or(("x", HeaderValue::Boolean(true)))
    }

    fn body(&mut self, index: usize) -> (&'static str, Vec<u8>) {
        let encoding = if self.one_in(3) == 0 { Encoding::Json } else { Encoding::MessagePack };
        let body = match self.one_in(10_000) {
            0 => vec![0; LARGE_BODY_BYTES],
            1..1_000 => self.bytes(),
            1_000..1_500 => self.nested(encoding),
            1_500..2_000 => self.promising(),
            2_000..5_500 => self.mutated(index, encoding),
            _ => self.other_values(index, encoding),
        };
        (encoding.content_type(), body)
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = self.rng.random_range(0..400);
        (0..length).map(|_| self.rng.random()).collect()
    }

    fn nested(&mut self, encoding: Encoding) -> Vec<u8> {
        let depth = self.rng.random_range(1..5_000);
        match encoding {
            Encoding::MessagePack => vec![0x91; depth],
            Encoding::Json => [vec![b'['; depth], vec![b']'; depth]].concat(),
        }
    }

    /// Announces more than comes.
    fn promising(&mut self) -> Vec<u8> {
        let head = *[0xdd_u8, 0xdf, 0xdb, 0xc6, 0xc9].choose(&mut self.rng).unwrap_or(&0xdd);
        [vec![head, 0xff, 0xff, 0xff, 0xff], self.bytes()].concat()
    }

    /// A sound body with some bytes changed, cut, or doubled.
    fn mutated(&mut self, index: usize, encoding: Encoding) -> Vec<u8> {
        let mut body = encoding.encode(&self.sample(index)).unwrap_or_default();
        for _ in 0..self.rng.random_range(1..8) {
            let at = self.rng.random_range(0..=body.len());
            match self.one_in(4) {
                0 => body.truncate(at),
                1 => body.insert(at, self.rng.random()),
                2 => body.extend_from_within(at..),
                _ => {
                    if let Some(byte) = body.get_mut(at) {
                        *byte = self.rng.random();
                    }
                }
            }
        }
        body
    }

    /// A sound body in which some parameters have another value.
    fn other_values(&mut self, index: usize, encoding: Encoding) -> Vec<u8> {
        let mut body = self.sample(index);
        for _ in 0..self.rng.random_range(0..3) {
            let names: Vec<String> = body.keys().cloned().collect();
            let Some(name) = names.choose(&mut self.rng) else { break };
            let value = self.value();
            body.insert(name.clone(), value);
        }
        encoding.encode(&body).unwrap_or_default()
    }

    fn value(&mut self) -> Value {
        let values = [
            json!(null),
            json!(true),
            json!(-1),
            json!(0),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(1e308),
            json!(""),
            json!("\u{0}"),
            json!("9999-12-31 23:59:59"),
            json!("79228162514264337593543950335"),
            json!("'; DROP TABLE billing.orders; --"),
            json!("ü".repeat(2_000)),
            json!([[[[1]]], {"a": []}]),
            json!({"customer_id": 900_000, "role": "admin"}),
            json!({"customer_id": i64::MAX, "role": "customer"}),
            json!(Uuid::from_u128(self.rng.random()).simple().to_string()),
        ];
        values.choose(&mut self.rng).cloned().unwrap_or_default()
    }

    fn sample(&mut self, index: usize) -> Map<String, Value> {
        let Sample { spec, body } = &self.samples[index];
        let mut body = body.clone();
        let customer_id = self.rng.random_range(STRANGE_CUSTOMERS);
        let role = if spec.api != Api::Internal && self.rng.random_range(0..10) == 0 { "admin" } else { "customer" };
        body.insert("principal".to_owned(), json!({"customer_id": customer_id, "role": role}));
        body
    }

    fn one_in(&mut self, count: u32) -> u32 {
        self.rng.random_range(0..count)
    }
}

#[cfg(test)]
mod tests {
    use messages::find_action;

    use super::*;

    #[test]
    fn a_seed_makes_the_same_messages_and_of_many_kinds() {
        let made = |seed| -> Vec<(Sender, Message)> {
            let mut forge = Forge::new(seed).unwrap();
            (0..1_000).map(|_| forge.next_message()).collect()
        };
        assert_eq!(made(7), made(7));
        let messages = made(8);
        assert_ne!(messages, made(7));
        let readable = messages.iter().filter(|(_, message)| {
            let encoding = Encoding::from_content_type(message.content_type.as_deref());
            encoding.is_ok_and(|encoding| encoding.decode_map(&message.body).is_ok())
        });
        assert!((200..800).contains(&readable.count()), "some can be read, some can't");
        assert!(messages.iter().any(|(_, message)| find_action(&message.routing_key).is_none()));
    }
}
