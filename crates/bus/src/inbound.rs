//! From AMQP's properties and headers to a [`Delivery`], and back for a message that is published again.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use messages::Delivery;
use model::Timestamp;
use uuid::Uuid;

pub(crate) const ATTEMPTS: &str = "x-attempts";
pub(crate) const BUSY: &str = "x-busy";
pub(crate) const FIRST_ERROR: &str = "x-first-error";
pub(crate) const FIRST_FAILED_AT: &str = "x-first-failed-at";
pub(crate) const LAST_ERROR: &str = "x-last-error";
pub(crate) const LAST_FAILED_AT: &str = "x-last-failed-at";
pub(crate) const PUBLISHER: &str = "x-publisher";
pub(crate) const PARKED_ID: &str = "x-parked-id";
pub(crate) const PARKED_REASON: &str = "x-parked-reason";
pub(crate) const PARKED_DETAIL: &str = "x-parked-detail";
pub(crate) const PARKED_AT: &str = "x-parked-at";
pub(crate) const SOURCE_QUEUE: &str = "x-source-queue";
/// What the broker notes of a message that it dead-letters itself.
pub(crate) const DEATH: &str = "x-death";
const DEADLINE: &str = "deadline";

/// An error and its moment, as they stand in the headers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NotedError {
    pub(crate) error: Option<String>,
    pub(crate) at: Option<String>,
}

/// A message with what earlier attempts at it left in its headers. That counts only from a role's own user.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inbound {
    /// What the handler sees.
    pub(crate) delivery: Delivery,
    /// How often it met another command at work.
    pub(crate) busy: u32,
    /// What went wrong first.
    pub(crate) first: NotedError,
    /// What went wrong last.
    pub(crate) last: NotedError,
    /// Whether a role has sent it of its own accord, and not for somebody who waits.
    pub(crate) is_internal: bool,
    /// Why it can't be handled, where it can't.
    pub(crate) defect: Option<String>,
}

/// Reads a message from `queue`.
pub(crate) fn read(queue: &str, properties: &BasicProperties, body: Vec<u8>, own_users: &[String]) -> Inbound {
    let empty = FieldTable::default();
    let headers = properties.headers().as_ref().unwrap_or(&empty).inner();
    let user = owned(properties.user_id().as_ref());
    let republished = user.as_ref().is_some_and(|user| own_users.contains(user));
    let kept = |name: &str| headers.get(name).filter(|_| republished);
    let publisher = match kept(PUBLISHER) {
        // Empty: the first publisher was nobody that the broker vouched for.
        Some(original) => text(original).filter(|name| !name.is_empty()),
        None => user,
    };
    let (deadline, defect) = match headers.get(DEADLINE).map(moment) {
        None => (None, None),
        Some(Ok(deadline)) => (Some(deadline), None),
        Some(Err(defect)) => (None, Some(defect)),
    };
    let delivery = Delivery {
        queue: queue.to_owned(),
        message_type: owned(properties.kind().as_ref()),
        content_type: owned(properties.content_type().as_ref()),
        message_id: owned(properties.message_id().as_ref()),
        correlation_id: owned(properties.correlation_id().as_ref()),
        reply_to: owned(properties.reply_to().as_ref()),
        publisher,
        published_at: published_at(properties),
        deadline,
        traceparent: headers.get("traceparent").and_then(text),
        event_id: headers.get("ce-id").and_then(text),
        attempts: kept(ATTEMPTS).map_or(0, count),
        body,
    };
    let noted = |error, at| NotedError { error: kept(error).and_then(text), at: kept(at).and_then(text) };
    let is_internal = delivery.publisher.as_ref().is_some_and(|user| own_users.contains(user));
    Inbound {
        delivery,
        is_internal,
        busy: kept(BUSY).map_or(0, count),
        first: noted(FIRST_ERROR, FIRST_FAILED_AT),
        last: noted(LAST_ERROR, LAST_FAILED_AT),
        defect,
    }
}

/// The properties of a message that `user` publishes again: all as they were, with `notes` among the headers.
///
/// Left out is what would steer the broker: an expiration (whoever publishes decides how long it waits), the routing
/// headers `CC` and `BCC` (they would be followed with our permissions) and the history of dead-lettering. Left out, too,
/// are notes of an earlier life: `notes` has those that are still true, and a client's own must not become ours.
pub(crate) fn again(
    original: &BasicProperties,
    user: &str,
    notes: BTreeMap<&'static str, AMQPValue>,
) -> Result<BasicProperties, String> {
    let mut headers = BTreeMap::new();
    for (name, value) in original.headers().iter().flat_map(FieldTable::inner) {
        if !steers_the_broker(name.as_str()) && !is_note(name.as_str()) {
            headers.insert(name.clone(), value.clone());
        }
    }
    for (name, value) in notes {
        headers.insert(name.into(), value);
    }
    let user = ShortString::try_new(user).map_err(|error| error.to_string())?;
    let mut properties =
        BasicProperties::default().with_delivery_mode(2).with_user_id(user).with_headers(FieldTable::from(headers));
    if let Some(value) = original.kind().clone() {
        properties = properties.with_type(value);
    }
    if let Some(value) = original.content_type().clone() {
        properties = properties.with_content_type(value);
    }
    if let Some(value) = original.content_encoding().clone() {
        properties = properties.with_content_encoding(value);
    }
    if let Some(value) = original.message_id().clone() {
        properties = properties.with_message_id(value);
    }
    if let Some(value) = original.correlation_id().clone() {
        properties = properties.with_correlation_id(value);
    }
    if let Some(value) = original.reply_to().clone() {
        properties = properties.with_reply_to(value);
    }
    if let Some(value) = original.app_id().clone() {
        properties = properties.with_app_id(value);
    }
    if let Some(value) = *original.priority() {
        properties = properties.with_priority(value);
    }
    if let Some(value) = *original.timestamp() {
        properties = properties.with_timestamp(value);
    }
    Ok(properties)
}

/// The property `timestamp` has whole seconds; a `UUIDv7` that was made in that second is finer. Another one says nothing:
/// who asks again does so under the id of the first time.
fn published_at(properties: &BasicProperties) -> Option<Timestamp> {
    let second = DateTime::from_timestamp_secs(i64::try_from((*properties.timestamp())?).ok()?)?;
    let id = properties.message_id().as_ref().and_then(|id| Uuid::parse_str(id.as_str()).ok());
    let made = id.filter(|id| id.get_version_num() == 7).and_then(|id| id.get_timestamp()).and_then(|made| {
        let (seconds, nanoseconds) = made.to_unix();
        DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
    });
    Some(made.filter(|made| (second..second + TimeDelta::seconds(1)).contains(made)).unwrap_or(second))
}

fn steers_the_broker(header: &str) -> bool {
    matches!(header, "CC" | "BCC" | DEATH | "x-delivery-count")
        || header.starts_with("x-first-death-")
        || header.starts_with("x-last-death-")
}

fn is_note(header: &str) -> bool {
    const NOTES: [&str; 8] =
        [ATTEMPTS, BUSY, FIRST_ERROR, FIRST_FAILED_AT, LAST_ERROR, LAST_FAILED_AT, PUBLISHER, SOURCE_QUEUE];
    NOTES.contains(&header) || header.starts_with("x-parked-")
}

fn owned(value: Option<&ShortString>) -> Option<String> {
    value.map(|text| text.as_str().to_owned())
}

pub(crate) fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => String::from_utf8(text.as_bytes().to_vec()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str().to_owned()),
        _ => None,
    }
}

pub(crate) fn integer(value: &AMQPValue) -> Option<i64> {
    match value {
        AMQPValue::ShortShortInt(number) => Some((*number).into()),
        AMQPValue::ShortShortUInt(number) => Some((*number).into()),
        AMQPValue::ShortInt(number) => Some((*number).into()),
        AMQPValue::ShortUInt(number) => Some((*number).into()),
        AMQPValue::LongInt(number) => Some((*number).into()),
        AMQPValue::LongUInt(number) => Some((*number).into()),
        AMQPValue::LongLongInt(number) => Some(*number),
        _ => None,
    }
}

fn count(value: &AMQPValue) -> u32 {
    integer(value).and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
}

fn moment(value: &AMQPValue) -> Result<Timestamp, String> {
    let seconds = match value {
        AMQPValue::Timestamp(seconds) => i64::try_from(*seconds).ok(),
        other => integer(other),
    };
    let moment = match (seconds, text(value)) {
        (Some(seconds), _) => DateTime::from_timestamp_secs(seconds),
        (None, Some(text)) => DateTime::parse_from_rfc3339(text.trim()).ok().map(|moment| moment.to_utc()),
        (None, None) => None,
    };
    moment.ok_or_else(|| {
        "the header deadline must be RFC 3339 text (2026-01-31T12:00:00Z), an AMQP timestamp or whole Unix seconds"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "purser-billing";

    fn message(user: Option<&str>, headers: &[(&str, AMQPValue)]) -> BasicProperties {
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert((*name).into(), value.clone());
        }
        let properties = BasicProperties::default().with_headers(table);
        match user {
            Some(user) => properties.with_user_id(user.into()),
            None => properties,
        }
    }

    fn long(text: &str) -> AMQPValue {
        AMQPValue::LongString(text.into())
    }

    fn read_one(properties: &BasicProperties) -> Inbound {
        read("s3.billing", properties, Vec::new(), &[OWN.to_owned()])
    }

    #[test]
    fn what_earlier_attempts_left_counts_from_own_users_only() {
        let headers = [
            (PUBLISHER, long("php-frontend")),
            (ATTEMPTS, AMQPValue::LongInt(3)),
            (BUSY, AMQPValue::LongInt(4)),
            (FIRST_ERROR, long("RGW is away")),
            (FIRST_FAILED_AT, long("2026-01-01T00:00:00Z")),
            (LAST_ERROR, long("RGW is slow")),
            (LAST_FAILED_AT, long("2026-01-01T00:00:01Z")),
        ];
        let own = read_one(&message(Some(OWN), &headers));
        assert_eq!(own.delivery.publisher.as_deref(), Some("php-frontend"));
        assert_eq!((own.delivery.attempts, own.busy), (3, 4));
        let noted = |error: &str, at: &str| NotedError { error: Some(error.to_owned()), at: Some(at.to_owned()) };
        assert_eq!(own.first, noted("RGW is away", "2026-01-01T00:00:00Z"));
        assert_eq!(own.last, noted("RGW is slow", "2026-01-01T00:00:01Z"));

        for user in [Some("somebody"), None] {
            let foreign = read_one(&message(user, &headers));
            assert_eq!(foreign.delivery.publisher.as_deref(), user);
            assert_eq!((foreign.delivery.attempts, foreign.busy), (0, 0));
            assert_eq!((foreign.first, foreign.last), (NotedError::default(), NotedError::default()));
        }
    }

    #[test]
    fn a_publisher_unknown_at_first_stays_unknown() {
        let inbound = read_one(&message(Some(OWN), &[(PUBLISHER, long(""))]));
        assert_eq!(inbound.delivery.publisher, None);
        let inbound = read_one(&message(Some(OWN), &[]));
        assert_eq!(inbound.delivery.publisher.as_deref(), Some(OWN));
    }

    #[test]
    fn a_deadline_is_read_in_each_of_its_forms() {
        let noon = DateTime::from_timestamp_secs(1_767_268_800);
        for value in [
            long("2026-01-01T12:00:00Z"),
            long("2026-01-01T13:00:00+01:00"),
            AMQPValue::Timestamp(1_767_268_800),
            AMQPValue::LongLongInt(1_767_268_800),
            AMQPValue::LongInt(1_767_268_800),
        ] {
            let inbound = read_one(&message(None, &[(DEADLINE, value.clone())]));
            assert_eq!((inbound.delivery.deadline, inbound.defect), (noon, None), "{value:?}");
        }
        for value in [long("tomorrow"), AMQPValue::Void, AMQPValue::LongLongInt(i64::MAX)] {
            let inbound = read_one(&message(None, &[(DEADLINE, value.clone())]));
            assert!(inbound.defect.is_some_and(|defect| defect.contains("RFC 3339")), "{value:?}");
        }
    }

    #[test]
    fn the_moment_of_publishing_is_as_exact_as_its_publisher_says() {
        let at = |seconds: u64, id: &str| {
            let properties = message(None, &[]).with_timestamp(seconds).with_message_id(id.into());
            read_one(&properties).delivery.published_at
        };
        let made = "019b796e-2000-7000-8000-000000000000";
        let (second, milliseconds) = (1_767_268_818, 1_767_268_818_944);
        assert_eq!(at(second, made), DateTime::from_timestamp_millis(milliseconds));
        assert_eq!(at(second + 60, made), DateTime::from_timestamp_secs(1_767_268_878));
        assert_eq!(at(second, "an id of another kind"), DateTime::from_timestamp_secs(1_767_268_818));
        assert_eq!(at(u64::MAX, made), None);
        assert_eq!(read_one(&message(None, &[])).delivery.published_at, None);
    }

    #[test]
    fn a_message_published_again_keeps_all_but_what_steers_the_broker_and_what_was_noted() {
        let original = message(
            Some("php-frontend"),
            &[
                ("CC", AMQPValue::FieldArray(vec![long("s3.billing")].into())),
                ("BCC", AMQPValue::FieldArray(vec![long("s3.billing")].into())),
                ("x-death", AMQPValue::FieldArray(Vec::new().into())),
                ("x-first-death-queue", long("q")),
                ("x-publisher", long("purser-billing")),
                ("x-parked-id", long("of an earlier life")),
                ("x-source-queue", long("s3.billing")),
                ("x-last-error", long("RGW is away")),
                ("tracestate", long("a=b")),
            ],
        )
        .with_expiration("100".into())
        .with_message_id("id".into())
        .with_reply_to("amq.rabbitmq.reply-to.x".into());
        let notes = BTreeMap::from([(ATTEMPTS, AMQPValue::LongLongInt(1))]);
        let republished = again(&original, OWN, notes).expect("short user");
        let headers = republished.headers().clone().expect("headers");
        let names: Vec<_> = headers.inner().keys().map(ShortString::as_str).collect();
        assert_eq!(names, ["tracestate", ATTEMPTS]);
        assert_eq!(republished.user_id(), &Some(OWN.into()));
        assert_eq!(republished.message_id(), original.message_id());
        assert_eq!(republished.reply_to(), original.reply_to());
        assert_eq!((republished.expiration(), *republished.delivery_mode()), (&None, Some(2)));
    }
}
