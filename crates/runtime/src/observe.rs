//! What every message shows of itself: one log line, and metrics.

use messages::{Delivery, Outcome};
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use model::Timestamp;
use tokio::time::Instant;
use uuid::Uuid;

const MESSAGES: &str = "purser_messages_total";
const SECONDS: &str = "purser_message_seconds";

/// Explains the metrics to whoever reads `/metrics`, with those of journal and relay.
pub(crate) fn describe() {
    history::describe_metrics();
    describe_counter!(MESSAGES, Unit::Count, "Messages handled, by type (action or event) and outcome");
    describe_histogram!(SECONDS, Unit::Seconds, "Time that one attempt at a message took, by type; waiting left out");
}

/// What a message is, by a name from our own table: a client must not invent series.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Label<'a> {
    Action(&'a str),
    Event(&'a str),
}

/// One message, handled between `started` and now.
pub(crate) fn observe(what: Label<'_>, delivery: &Delivery, outcome: &Outcome, started: Instant, now: Timestamp) {
    let (action, event) = match what {
        Label::Action(name) => (Some(name), None),
        Label::Event(name) => (None, Some(name)),
    };
    let (Label::Action(label) | Label::Event(label)) = what;
    let (result, detail) = match outcome {
        Outcome::Done(Some(reply)) if reply.is_refusal() => ("refused", reply.as_json_text()),
        Outcome::Done(_) => ("done", ""),
        Outcome::Retry { error, .. } => ("retry", error.as_str()),
        Outcome::Postpone => ("postponed", ""),
        Outcome::Park { detail, .. } => ("parked", detail.as_str()),
    };
    let seconds = started.elapsed().as_secs_f64();
    counter!(MESSAGES, "type" => label.to_owned(), "outcome" => result).increment(1);
    histogram!(SECONDS, "type" => label.to_owned()).record(seconds);
    // What has no reply yet is answered by a later event; the journal sees it then.
    if let (Outcome::Done(Some(_)), Some(published_at)) = (outcome, delivery.published_at) {
        history::answered(label, now - published_at);
    }
    tracing::info!(
        action,
        event,
        message_id = delivery.message_id,
        trace_id = trace_id(what, delivery),
        outcome = result,
        detail,
        attempts = delivery.attempts,
        seconds,
        "handled"
    );
}

/// The trace of a message. A command that came without one begins it, as [`messages::Request::decode`] has it.
fn trace_id(what: Label<'_>, delivery: &Delivery) -> Option<String> {
    let given = delivery.traceparent.as_deref();
    let id = delivery.message_id.as_deref().and_then(|id| Uuid::try_parse(id).ok());
    let trace = match (what, id) {
        (Label::Action(_), Some(id)) => messages::continue_or_start_trace(given, id),
        _ => given?.to_owned(),
    };
    messages::trace_id(&trace).map(str::to_owned)
}
