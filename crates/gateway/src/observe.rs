//! One log line and two metrics per request. Neither shows parameters: they hold tokens.

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use runtime::traces::{Origin, SpanKind, WorkSpan};
use tokio::time::Instant;
use tracing::info;
use uuid::Uuid;

const REQUESTS: &str = "purser_http_requests_total";
const SHED: &str = "purser_http_shed_total";
const LATENCY: &str = "purser_http_request_seconds";
/// Why a request is shed: no place is free.
pub(crate) const FULL: &str = "full";
/// The broker takes no messages.
pub(crate) const BROKER_BLOCKED: &str = "broker_blocked";

/// What is known about a request once it is answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Observed {
    /// The action, where there is such a one.
    pub(crate) action: Option<&'static str>,
    /// Who asked, where the token was valid.
    pub(crate) actor: Option<String>,
    /// The id under which it travelled.
    pub(crate) message_id: Option<Uuid>,
    /// The id of its trace, once it is known.
    pub(crate) trace_id: Option<String>,
    /// What a collector of traces sees of it, once its id is known.
    pub(crate) span: Option<WorkSpan>,
}

/// Explains the metrics to whoever reads `/metrics`.
pub(crate) fn describe() {
    history::describe_metrics();
    describe_counter!(REQUESTS, Unit::Count, "HTTP requests, by action (none: no known action) and HTTP status");
    describe_counter!(
        SHED,
        Unit::Count,
        "Requests that were refused unseen: no place is free, or the broker is blocked"
    );
    // A counter that begins with its first request has no increase that an alert could see.
    for reason in [FULL, BROKER_BLOCKED] {
        counter!(SHED, "reason" => reason).increment(0);
    }
    describe_histogram!(LATENCY, Unit::Seconds, "Time from a request's headers to its answer, by action");
}

/// Counts a request that is refused before it costs anything.
pub(crate) fn shed(reason: &'static str) {
    counter!(SHED, "reason" => reason).increment(1);
}

/// Wraps every answer.
pub(crate) async fn observe(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = WorkSpan::is_on().then(|| request.extensions().get::<MatchedPath>().cloned()).flatten();
    let mut response = next.run(request).await;
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let seconds = started.elapsed().as_secs_f64();
    let observed = response.extensions_mut().remove::<Observed>().unwrap_or_default();
    let action = observed.action.unwrap_or("none");
    let status = response.status().as_u16();
    counter!(REQUESTS, "action" => action, "status" => status.to_string()).increment(1);
    histogram!(LATENCY, "action" => action).record(seconds);
    let span = observed.span.unwrap_or_else(|| span(&method, Origin::default(), started));
    describe_to(&span, &method, route, observed.action, status);
    info!(
        %method,
        action,
        status,
        seconds,
        actor = observed.actor,
        message_id = observed.message_id.map(tracing::field::display),
        trace_id = observed.trace_id,
        "answered"
    );
    response
}

/// The span of a request that came in at `started`.
pub(crate) fn span(method: &Method, origin: Origin<'_>, started: Instant) -> WorkSpan {
    let span = WorkSpan::begin(SpanKind::Server, || method.to_string(), origin, started);
    if WorkSpan::is_on() {
        span.note("http.request.method", method.to_string());
        span.note("url.scheme", "http");
    }
    span
}

/// What OpenTelemetry's conventions for HTTP want to know; the address itself may hold a token.
fn describe_to(
    span: &WorkSpan,
    method: &Method,
    route: Option<MatchedPath>,
    action: Option<&'static str>,
    status: u16,
) {
    span.note("http.response.status_code", i64::from(status));
    if let Some(route) = route {
        span.rename(format!("{method} {}", route.as_str()));
        span.note("http.route", route.as_str().to_owned());
    }
    if let Some(action) = action {
        span.note("purser.action", action);
    }
    if status >= 500 {
        span.fail("5xx");
    }
}
