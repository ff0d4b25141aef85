//! What journal, relay and pool show of themselves in `/metrics`.

use chrono::TimeDelta;
use messages::RoleName;
use metrics::{Gauge, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

/// The histogram of [`answered`]: what it shows may have waited two hours for another attempt.
pub const PUBLISH_TO_ANSWER: &str = "purser_publish_to_answer_seconds";
const PUBLISHED: &str = "purser_relay_published_total";
const LAG_SECONDS: &str = "purser_relay_lag_seconds";
const LAG_MESSAGES: &str = "purser_relay_lag_messages";
const CONNECTIONS: &str = "purser_database_connections";

/// Explains the metrics to whoever reads `/metrics`.
pub fn describe_metrics() {
    describe_histogram!(
        PUBLISH_TO_ANSWER,
        Unit::Seconds,
        "Time from a request's publication, as its publisher says, to its answer, by type; retries and waits included"
    );
    describe_counter!(PUBLISHED, Unit::Count, "Messages of the outbox that the broker has confirmed, by role");
    describe_gauge!(
        LAG_SECONDS,
        Unit::Seconds,
        "Age of the oldest message that is committed and not published, by role"
    );
    describe_gauge!(
        LAG_MESSAGES,
        Unit::Count,
        "Messages (events, answers, commands) that are committed and not published, by role; counted up to 10000"
    );
    describe_gauge!(CONNECTIONS, Unit::Count, "Connections of this process to the database, by role and state");
}

/// Notes that a request of this type (a name from our own table) was answered so long after it was published. Clocks may
/// differ: never less than nothing.
pub fn answered(message_type: &str, after: TimeDelta) {
    let seconds = after.max(TimeDelta::zero()).as_seconds_f64();
    histogram!(PUBLISH_TO_ANSWER, "type" => message_type.to_owned()).record(seconds);
}

pub(crate) fn published(role: RoleName, messages: u64) {
    counter!(PUBLISHED, "role" => role.as_str()).increment(messages);
}

pub(crate) fn lag_seconds(role: RoleName) -> Gauge {
    gauge!(LAG_SECONDS, "role" => role.as_str())
}

pub(crate) fn lag_messages(role: RoleName) -> Gauge {
    gauge!(LAG_MESSAGES, "role" => role.as_str())
}

pub(crate) fn connections(role: RoleName, state: &'static str) -> Gauge {
    gauge!(CONNECTIONS, "role" => role.as_str(), "state" => state)
}
