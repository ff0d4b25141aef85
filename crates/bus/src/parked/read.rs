//! From a message as the broker gives it to a parked one.

use std::collections::BTreeSet;

use chrono::DateTime;
use lapin::BasicProperties;
use lapin::message::Delivery as RawDelivery;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use messages::RoleName;
use model::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{NotedFailure, ParkedMessage};
use crate::inbound::{self, Inbound, NotedError};
use crate::topology::Topology;

/// The ids of messages that carry none are made within it.
const NAMESPACE: Uuid = Uuid::from_u128(0x3a7e_51c4_90d2_4b6e_8f13_6c0b_d54e_2a97);

/// What the broker noted when it dead-lettered a message itself.
#[derive(Default)]
struct Death {
    queue: Option<String>,
    reason: Option<String>,
    at: Option<Timestamp>,
}

/// Takes the body out of `raw`.
pub(super) fn parked(role: RoleName, raw: &mut RawDelivery, own_users: &[String]) -> ParkedMessage {
    let body = std::mem::take(&mut raw.data);
    from_parts(role, &raw.properties, body, own_users)
}

fn from_parts(role: RoleName, properties: &BasicProperties, body: Vec<u8>, own_users: &[String]) -> ParkedMessage {
    let empty = FieldTable::default();
    let headers = properties.headers().as_ref().unwrap_or(&empty).inner();
    let user_id = properties.user_id().as_ref().map(|user| user.as_str().to_owned());
    let is_ours = user_id.as_ref().is_some_and(|user| own_users.contains(user));
    // Roles strip it when they set a message aside: where it is, the broker did that.
    let death = headers.get(inbound::DEATH).and_then(death);
    let noted = |name: &str| headers.get(name).filter(|_| is_ours && death.is_none()).and_then(inbound::text);
    let source = death.as_ref().map_or_else(|| noted(inbound::SOURCE_QUEUE), |death| death.queue.clone());
    let source = source.filter(|queue| is_source(role, queue)).unwrap_or_default();
    let Inbound { delivery, first, last, .. } = inbound::read(&source, properties, body, own_users);
    let (reason, detail, parked_at) = match &death {
        Some(death) => {
            let reason = death.reason.clone().unwrap_or_else(|| "unknown".to_owned());
            (reason, "set aside by the broker: it was delivered again and again".to_owned(), death.at)
        }
        None => (
            noted(inbound::PARKED_REASON).unwrap_or_else(|| "unknown".to_owned()),
            noted(inbound::PARKED_DETAIL).unwrap_or_default(),
            noted(inbound::PARKED_AT).as_deref().and_then(moment),
        ),
    };
    let id = noted(inbound::PARKED_ID).and_then(|id| id.parse().ok()).unwrap_or_else(|| {
        let at = parked_at.map_or_else(String::new, |at| at.to_rfc3339());
        id_of(&[
            source.as_bytes(),
            delivery.message_id.as_deref().unwrap_or_default().as_bytes(),
            at.as_bytes(),
            &delivery.body,
        ])
    });
    let (first_error, last_error) = (failure(first, parked_at, &detail), failure(last, parked_at, &detail));
    ParkedMessage {
        id,
        role,
        delivery,
        reason,
        detail,
        parked_at,
        first_error,
        last_error,
        headers: json_of(headers),
        user_id,
    }
}

/// Where nothing is noted, the message failed when it was set aside.
fn failure(noted: NotedError, parked_at: Option<Timestamp>, detail: &str) -> NotedFailure {
    if noted == NotedError::default() {
        return NotedFailure { error: Some(detail.to_owned()), at: parked_at };
    }
    NotedFailure { error: noted.error, at: noted.at.as_deref().and_then(moment) }
}

/// Whether messages of this queue are set aside among the role's. A name from elsewhere must not lead anywhere else.
fn is_source(role: RoleName, queue: &str) -> bool {
    let purser = Topology::of_role(role);
    purser.queues.iter().any(|known| known.name == queue) && !queue.contains(".retry.") && !queue.ends_with(".parked")
}

/// The same bytes make the same id.
fn id_of(parts: &[&[u8]]) -> Uuid {
    let mut name = Vec::new();
    for part in parts {
        name.extend_from_slice(&part.len().to_be_bytes());
        name.extend_from_slice(part);
    }
    Uuid::new_v5(&NAMESPACE, &name)
}

/// Copies of one message, which other tools may have made, get ids of their own, the same each time.
pub(super) fn make_ids_unique<'a>(messages: impl Iterator<Item = &'a mut ParkedMessage>) {
    let mut seen = BTreeSet::new();
    for message in messages {
        while !seen.insert(message.id) {
            message.id = id_of(&[message.id.as_bytes(), b"copy"]);
        }
    }
}

/// The newest entry, which the broker puts first.
fn death(value: &AMQPValue) -> Option<Death> {
    let AMQPValue::FieldArray(deaths) = value else { return None };
    let Some(AMQPValue::FieldTable(newest)) = deaths.as_slice().first() else { return None };
    let newest = newest.inner();
    Some(Death {
        queue: newest.get("queue").and_then(inbound::text),
        reason: newest.get("reason").and_then(inbound::text),
        at: match newest.get("time") {
            Some(AMQPValue::Timestamp(seconds)) => i64::try_from(*seconds).ok().and_then(DateTime::from_timestamp_secs),
            _ => None,
        },
    })
}

fn moment(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.to_utc())
}

fn json_of<'a>(table: impl IntoIterator<Item = (&'a ShortString, &'a AMQPValue)>) -> Map<String, Value> {
    table.into_iter().map(|(name, value)| (name.as_str().to_owned(), json(value))).collect()
}

fn json(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(value) => (*value).into(),
        AMQPValue::Float(value) => (*value).into(),
        AMQPValue::Double(value) => (*value).into(),
        AMQPValue::Timestamp(seconds) => i64::try_from(*seconds)
            .ok()
            .and_then(DateTime::from_timestamp_secs)
            .map_or_else(|| (*seconds).into(), |moment| moment.to_rfc3339().into()),
        AMQPValue::FieldArray(values) => values.as_slice().iter().map(json).collect(),
        AMQPValue::FieldTable(table) => Value::Object(json_of(table.inner())),
        AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into(),
        AMQPValue::Void => Value::Null,
        other => inbound::integer(other)
            .map(Value::from)
            .or_else(|| inbound::text(other).map(Value::from))
            .unwrap_or_else(|| "(bytes)".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "purser-billing";

    fn long(text: &str) -> AMQPValue {
        AMQPValue::LongString(text.into())
    }

    fn read(user: &str, headers: &[(&str, AMQPValue)]) -> ParkedMessage {
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert((*name).into(), value.clone());
        }
        let properties = BasicProperties::default().with_headers(table).with_user_id(user.into());
        from_parts(RoleName::Billing, &properties, b"body".to_vec(), &[OWN.to_owned()])
    }

    fn dead(queue: &str) -> (&'static str, AMQPValue) {
        let mut death = FieldTable::default();
        death.insert("queue".into(), long(queue));
        death.insert("reason".into(), long("delivery_limit"));
        death.insert("time".into(), AMQPValue::Timestamp(1_767_268_800));
        (inbound::DEATH, AMQPValue::FieldArray(vec![AMQPValue::FieldTable(death)].into()))
    }

    fn marked(queue: &str) -> Vec<(&'static str, AMQPValue)> {
        vec![
            (inbound::PARKED_ID, long("0193500a-7a10-7b6c-8f1d-2e3f4a5b6c7d")),
            (inbound::PARKED_REASON, long("out-of-attempts")),
            (inbound::PARKED_DETAIL, long("RGW is away")),
            (inbound::PARKED_AT, long("2026-01-01T12:00:00.5Z")),
            (inbound::SOURCE_QUEUE, long(queue)),
            (inbound::PUBLISHER, long("php-frontend")),
            (inbound::ATTEMPTS, AMQPValue::LongLongInt(16)),
            (inbound::FIRST_ERROR, long("RGW is slow")),
            (inbound::FIRST_FAILED_AT, long("2026-01-01T11:00:00Z")),
        ]
    }

    #[test]
    fn a_role_s_marks_are_read() {
        let message = read(OWN, &marked("s3.billing"));
        assert_eq!(message.id.to_string(), "0193500a-7a10-7b6c-8f1d-2e3f4a5b6c7d");
        assert_eq!((message.reason.as_str(), message.detail.as_str()), ("out-of-attempts", "RGW is away"));
        assert_eq!(message.delivery.queue, "s3.billing");
        assert_eq!((message.delivery.publisher.as_deref(), message.delivery.attempts), (Some("php-frontend"), 16));
        assert_eq!(message.first_error.error.as_deref(), Some("RGW is slow"));
        assert!(message.first_error.at < message.parked_at);
    }

    #[test]
    fn marks_that_no_role_made_count_nothing() {
        let message = read("somebody", &marked("s3.billing"));
        assert_ne!(message.id.to_string(), "0193500a-7a10-7b6c-8f1d-2e3f4a5b6c7d");
        assert_eq!((message.reason.as_str(), message.delivery.queue.as_str()), ("unknown", ""));
        assert_eq!((message.delivery.publisher.as_deref(), message.delivery.attempts), (Some("somebody"), 0));
    }

    #[test]
    fn what_the_broker_set_aside_is_known_by_its_death() {
        let old = marked("s3.billing.events");
        let message = read("php-frontend", &[&old[..], &[dead("s3.billing")]].concat());
        assert_eq!((message.reason.as_str(), message.delivery.queue.as_str()), ("delivery_limit", "s3.billing"));
        assert_eq!(message.parked_at, DateTime::from_timestamp_secs(1_767_268_800));
        let again = read("php-frontend", &[dead("s3.billing")]);
        assert_eq!(message.id, again.id, "the same message, the same id");
        assert_ne!(message.id, read("php-frontend", &[dead("s3.billing.events")]).id);
    }

    #[test]
    fn a_message_returns_to_its_own_role_s_work_queues_only() {
        for (queue, known) in [
            ("s3.billing", true),
            ("s3.billing.events", true),
            ("s3.billing.queries", true),
            ("s3.billing.parked", false),
            ("s3.billing.retry.1s", false),
            ("s3.provisioner", false),
            ("s3.billings", false),
            ("anything", false),
        ] {
            assert_eq!(!read(OWN, &marked(queue)).delivery.queue.is_empty(), known, "{queue}");
            assert_eq!(!read("x", &[dead(queue)]).delivery.queue.is_empty(), known, "{queue}");
        }
    }

    #[test]
    fn copies_have_ids_of_their_own_the_same_each_time() {
        let ids = || {
            let mut copies: Vec<_> = (0..3).map(|_| read(OWN, &marked("s3.billing"))).collect();
            make_ids_unique(copies.iter_mut());
            copies.iter().map(|message| message.id).collect::<Vec<_>>()
        };
        assert_eq!(ids().into_iter().collect::<BTreeSet<_>>().len(), 3);
        assert_eq!(ids(), ids());
    }
}
