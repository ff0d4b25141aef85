//! Traces of a process: spans that go to a collector over OTLP. Where none is configured nothing here does anything.

mod delivery;
mod export;

use std::cell::Cell;
use std::sync::OnceLock;

use opentelemetry::trace::{
    FutureExt, SpanContext, SpanId, Status, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SdkTracer, SdkTracerProvider};
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

pub use opentelemetry::trace::SpanKind;

pub(crate) use delivery::{publishing, traced};
use export::Sending;

/// What `tracing` spans have as their target that go to the collector; they stand in no log line.
pub const TARGET: &str = "otel";

/// Set once per process, where there is a collector.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

thread_local! {
    /// The trace that the next span on this thread begins, where that isn't any.
    static NEXT_TRACE: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// Why traces can't be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The exporter refuses its settings.
    #[error("telemetry.otlp_endpoint: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// There is no HTTP client.
    #[error("telemetry.otlp_endpoint: no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    /// Something else in this process took the place.
    #[error("traces are set up already")]
    Twice,
}

/// The sending of a process's spans.
#[derive(Debug)]
pub struct Traces(Option<Sending>);

impl Traces {
    /// None are sent.
    pub(crate) const fn off() -> Self {
        Self(None)
    }

    /// Sends spans to the collector at `endpoint` from now on, as those of the service `service_name`. Once per process;
    /// needs a Tokio runtime.
    pub(crate) fn start(endpoint: &Url, service_name: String) -> Result<(Self, SdkTracer), TracesError> {
        let resource = Resource::builder()
            .with_service_name(service_name)
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", Uuid::new_v4().to_string()))
            .build();
        let (queue, sending) = export::start(endpoint, &resource)?;
        let provider = SdkTracerProvider::builder()
            .with_span_processor(queue)
            .with_id_generator(Ids::default())
            .with_resource(resource)
            .build();
        let tracer = provider.tracer("purser");
        TRACER.set(tracer.clone()).map_err(|_| TracesError::Twice)?;
        Ok((Self(Some(sending)), tracer))
    }

    /// Sends what is left, for three seconds at most.
    pub async fn finish(self) {
        if let Some(sending) = self.0 {
            sending.finish().await;
        }
    }
}

/// Where a span belongs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin<'a> {
    /// What came with the work, right or wrong: a W3C `traceparent`.
    pub traceparent: Option<&'a str>,
    /// The message's id, which is the id of a trace that begins here, as in [`messages::continue_or_start_trace`].
    pub message_id: Option<Uuid>,
}

/// A piece of work as the collector sees it, from [`WorkSpan::begin`] until its last clone is dropped; nothing where traces
/// are off.
#[derive(Debug, Clone, Default)]
pub struct WorkSpan(Option<Context>);

impl WorkSpan {
    /// Whether there is a collector.
    pub fn is_on() -> bool {
        TRACER.get().is_some()
    }

    /// Work that began at `started`.
    pub fn begin(kind: SpanKind, name: impl FnOnce() -> String, origin: Origin<'_>, started: Instant) -> Self {
        let Some(tracer) = TRACER.get() else { return Self(None) };
        let (parent, trace) = parent(origin);
        let start_time = opentelemetry::time::now() - started.elapsed();
        let builder = tracer.span_builder(name()).with_kind(kind).with_start_time(start_time);
        NEXT_TRACE.set(trace);
        let span = tracer.build_with_context(builder, &parent);
        NEXT_TRACE.set(None);
        Self(Some(parent.with_span(span)))
    }

    /// What messages carry that follow from this work: a W3C `traceparent`.
    pub fn traceparent(&self) -> Option<String> {
        let context = self.0.as_ref()?;
        let span = context.span();
        let own = span.span_context();
        let flags = own.trace_flags().to_u8();
        own.is_valid().then(|| format!("00-{}-{}-{flags:02x}", own.trace_id(), own.span_id()))
    }

    /// Notes a fact about the work, under a name of OpenTelemetry's semantic conventions or one that begins with `purser.`;
    /// never a secret, a parameter or a body.
    pub fn note(&self, key: &'static str, value: impl Into<Value>) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new(key, value));
        }
    }

    /// Gives the work a name that says more than the first: of few words, the same for all work of its kind.
    pub fn rename(&self, name: String) {
        if let Some(context) = &self.0 {
            context.span().update_name(name);
        }
    }

    /// Notes that the work failed, and how, in a word: `error.type`.
    pub fn fail(&self, error_type: &'static str) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new("error.type", error_type));
            context.span().set_status(Status::error(""));
        }
    }

    /// Runs a part of the work: the spans that it makes are this one's children.
    pub async fn run<F: Future>(&self, part: F) -> F::Output {
        match &self.0 {
            Some(context) => part.with_context(context.clone()).await,
            None => part.await,
        }
    }
}

/// The context to continue, and the id of the trace where one begins instead and its id is known.
fn parent(origin: Origin<'_>) -> (Context, Option<TraceId>) {
    let given = origin.traceparent.map(str::trim).filter(|given| messages::trace_id(given).is_some());
    if let Some(remote) = given.and_then(remote) {
        return (Context::new().with_remote_span_context(remote), None);
    }
    let started = origin.message_id.map(|id| messages::continue_or_start_trace(None, id));
    let trace = started.as_deref().and_then(messages::trace_id).and_then(|id| TraceId::from_hex(id).ok());
    (Context::new(), trace)
}

/// A well-formed `traceparent`.
fn remote(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-').skip(1);
    let trace = TraceId::from_hex(parts.next()?).ok()?;
    let span = SpanId::from_hex(parts.next()?).ok()?;
    let flags = TraceFlags::new(u8::from_str_radix(parts.next()?, 16).ok()?);
    Some(SpanContext::new(trace, span, flags, true, TraceState::default()))
}

/// Random ids, but for the trace that somebody knows already.
#[derive(Debug, Default)]
struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        NEXT_TRACE.take().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_given_context_is_continued_and_else_the_message_s_id_is_the_trace_s() {
        let id = Uuid::from_u128(0x0199_4c1e_7a00_7abc_8def_0123_4567_89ab);
        let (context, begun) = parent(Origin { traceparent: Some(&format!(" {GIVEN} ")), message_id: Some(id) });
        let span = context.span();
        let remote = span.span_context();
        assert_eq!(remote.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((remote.span_id().to_string(), begun), ("00f067aa0ba902b7".to_owned(), None));
        assert!(remote.is_remote() && remote.is_sampled());
        for wrong in [None, Some("00-0-0-0"), Some("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")] {
            let (context, begun) = parent(Origin { traceparent: wrong, message_id: Some(id) });
            assert!(!context.span().span_context().is_valid());
            assert_eq!(begun.unwrap().to_string(), id.simple().to_string());
        }
    }

    #[test]
    fn without_a_collector_there_is_nothing_to_continue() {
        let span = WorkSpan::begin(SpanKind::Server, || unreachable!(), Origin::default(), Instant::now());
        span.note("purser.outcome", "done");
        span.fail("refused");
        assert_eq!((WorkSpan::is_on(), span.traceparent()), (false, None));
    }
}
