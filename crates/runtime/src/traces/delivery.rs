//! Spans of messages: each one that a role handles, and each one that its relay publishes.

use std::sync::Arc;

use bus::{Handler, Message};
use messages::{Delivery, Outcome};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Origin, SpanKind, WorkSpan};

const TRACEPARENT: &str = "traceparent";

/// The same handler, whose work the collector sees; what follows from a message continues its span.
pub(crate) fn traced(handler: Handler) -> Handler {
    if !WorkSpan::is_on() {
        return handler;
    }
    Arc::new(move |mut delivery: Delivery| {
        let handler = Arc::clone(&handler);
        Box::pin(async move {
            let span = processing(&delivery);
            if let Some(own) = span.traceparent() {
                delivery.traceparent = Some(own);
            }
            let outcome = span.run(handler(delivery)).await;
            let (name, failed) = in_a_word(&outcome);
            span.note("purser.outcome", name);
            if failed {
                span.fail(name);
            }
            outcome
        })
    })
}

fn processing(delivery: &Delivery) -> WorkSpan {
    let message_id = delivery.message_id.as_deref();
    let origin = Origin {
        traceparent: delivery.traceparent.as_deref(),
        message_id: message_id.and_then(|id| Uuid::try_parse(id).ok()),
    };
    let name = || format!("process {}", delivery.queue);
    let span = WorkSpan::begin(SpanKind::Consumer, name, origin, Instant::now());
    describe(&span, "process", &delivery.queue, message_id, delivery.message_type.as_deref(), delivery.body.len());
    span.note("purser.attempts", i64::from(delivery.attempts));
    span
}

/// The span of publishing `message`, which carries it from then on.
pub(crate) fn publishing(message: &mut Message) -> WorkSpan {
    if !WorkSpan::is_on() {
        return WorkSpan::default();
    }
    let message_id = message.message_id.as_deref();
    let given = match message.headers.get(TRACEPARENT) {
        Some(bus::HeaderValue::Text(given)) => Some(given.as_str()),
        _ => None,
    };
    let origin = Origin { traceparent: given, message_id: message_id.and_then(|id| Uuid::try_parse(id).ok()) };
    // A reply's exchange is the nameless one, and its key the name of somebody's queue.
    let destination = if message.exchange.is_empty() { "reply" } else { &message.exchange };
    let span = WorkSpan::begin(SpanKind::Producer, || format!("send {destination}"), origin, Instant::now());
    describe(&span, "send", destination, message_id, message.message_type.as_deref(), message.body.len());
    if !message.exchange.is_empty() {
        span.note("messaging.rabbitmq.destination.routing_key", message.routing_key.clone());
    }
    if let Some(own) = span.traceparent() {
        message.headers.insert(TRACEPARENT.to_owned(), own.into());
    }
    span
}

/// What OpenTelemetry's conventions for messaging want to know.
fn describe(
    span: &WorkSpan,
    operation: &'static str,
    destination: &str,
    message_id: Option<&str>,
    message_type: Option<&str>,
    body_bytes: usize,
) {
    span.note("messaging.system", "rabbitmq");
    span.note("messaging.operation.type", operation);
    span.note("messaging.operation.name", operation);
    span.note("messaging.destination.name", destination.to_owned());
    span.note("messaging.message.body.size", i64::try_from(body_bytes).unwrap_or(i64::MAX));
    if let Some(id) = message_id {
        span.note("messaging.message.id", id.to_owned());
    }
    if let Some(name) = message_type {
        span.note("purser.message_type", name.to_owned());
    }
}

/// An outcome, and whether it is a failure of ours: a refusal is an answer.
fn in_a_word(outcome: &Outcome) -> (&'static str, bool) {
    match outcome {
        Outcome::Done(Some(reply)) if reply.is_refusal() => ("refused", false),
        Outcome::Done(_) => ("done", false),
        Outcome::Retry { .. } => ("retry", true),
        Outcome::Postpone => ("postponed", false),
        Outcome::Park { .. } => ("parked", true),
    }
}
