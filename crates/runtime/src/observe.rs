//! What every message shows of itself: one log line, and metrics.

use messages::{Delivery, Outcome};
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use model::Timestamp;
use tokio::time::Instant;

const MESSAGES: &str = "purser_messages_total";
const SECONDS: &str = "purser_message_seconds";

/// Explains the metrics to whoever reads `/metrics`, with those of journal and relay.
pub(crate) fn describe() {
    history::describe_metrics();
    describe_counter!(MESSAGES, Unit::Count, "Messages handled, by type (action or event) and outcome");
    describe_histogram!(SECONDS, Unit::Seconds, "Time that one attempt at a message took, by type; waiting left out");
}

/// One message, handled between `started` and now. `label` is a name from our own table: a client must not invent series.
pub(crate) fn observe(label: &str, delivery: &Delivery, outcome: &Outcome, started: Instant, now: Timestamp) {
    let (result, detail) = match outcome {
        Outcome::Done(Some(reply)) if reply.is_refusal() => ("refused", reply.as_json_text()),
        Outcome::Done(_) => ("done", ""),
        Outcome::Retry { error, .. } => ("retry", error.as_str()),
        Outcome::Postpone => ("postponed", ""),
        Outcome::Park { detail, .. } => ("parked", detail.as_str()),
    };
    let duration_seconds = started.elapsed().as_secs_f64();
    counter!(MESSAGES, "type" => label.to_owned(), "outcome" => result).increment(1);
    histogram!(SECONDS, "type" => label.to_owned()).record(duration_seconds);
    // What has no reply yet is answered by a later event; the journal sees it then.
    if let (Outcome::Done(Some(_)), Some(published_at)) = (outcome, delivery.published_at) {
        history::answered(label, now - published_at);
    }
    tracing::info!(
        message_type = label,
        message_id = delivery.message_id,
        outcome = result,
        detail,
        attempts = delivery.attempts,
        duration_ms = duration_seconds * 1e3,
        "handled"
    );
}
