//! The way of spans to the collector: a queue that holds nobody up, and a task that empties it.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter};
use opentelemetry::Context;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter as _, SpanProcessor};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use url::Url;

use super::TracesError;

/// So many spans wait at most, about two megabytes; those that come then are dropped.
const QUEUE_SPANS: usize = 2048;
/// So many go at once.
const BATCH_SPANS: usize = 512;
/// For so long the first of them waits for others.
const GATHERING: Duration = Duration::from_secs(1);
/// A collector that takes longer is away.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A batch is tried so often, with this wait between.
const ATTEMPTS: u32 = 3;
const RETRY_WAIT: Duration = Duration::from_secs(1);
/// How long the end of the process waits for the last batches.
const FLUSH_LIMIT: Duration = Duration::from_secs(3);

const DROPPED: &str = "purser_spans_dropped_total";
const SENT: &str = "purser_spans_sent_total";
/// Why spans are dropped: too many wait already.
const QUEUE_FULL: &str = "queue_full";
/// The collector doesn't take them.
const NOT_DELIVERED: &str = "not_delivered";

/// Takes spans as they end.
#[derive(Debug)]
pub(super) struct Queue(mpsc::Sender<SpanData>);

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.0.try_send(span).is_err() {
            counter!(DROPPED, "reason" => QUEUE_FULL).increment(1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The task that sends.
#[derive(Debug)]
pub(super) struct Sending {
    ending: CancellationToken,
    task: JoinHandle<()>,
}

impl Sending {
    /// Sends what is left, as far as there is time.
    pub(super) async fn finish(mut self) {
        self.ending.cancel();
        if timeout(FLUSH_LIMIT, &mut self.task).await.is_err() {
            self.task.abort();
            warn!("ending with spans that the collector has not taken");
        }
    }
}

/// A queue, and its way to the collector at `endpoint`, whose path for traces is `/v1/traces`.
pub(super) fn start(endpoint: &Url, resource: &Resource) -> Result<(Queue, Sending), TracesError> {
    describe_counter!(SENT, Unit::Count, "Spans that the collector has taken");
    describe_counter!(DROPPED, Unit::Count, "Spans that were dropped: too many waited, or the collector takes none");
    counter!(SENT).increment(0);
    for reason in [QUEUE_FULL, NOT_DELIVERED] {
        counter!(DROPPED, "reason" => reason).increment(0);
    }
    // The process may have chosen its provider already; any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(EXPORT_TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()?;
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client(client))
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/')))
        .with_timeout(EXPORT_TIMEOUT)
        // Its waits would hold up a thread.
        .with_retry_policy(RetryPolicy::disabled())
        .build()?;
    exporter.set_resource(resource);
    let (sender, receiver) = mpsc::channel(QUEUE_SPANS);
    let ending = CancellationToken::new();
    let sender_task = Sender { exporter, receiver, ending: ending.clone(), is_away: false };
    Ok((Queue(sender), Sending { ending, task: tokio::spawn(sender_task.run()) }))
}

struct Sender {
    exporter: SpanExporter,
    receiver: mpsc::Receiver<SpanData>,
    ending: CancellationToken,
    /// Whether the last batch was not delivered.
    is_away: bool,
}

impl Sender {
    async fn run(mut self) {
        let ending = self.ending.clone();
        let mut batch = Vec::new();
        loop {
            let goes_on = tokio::select! {
                goes_on = gather(&mut self.receiver, &mut batch) => goes_on,
                () = ending.cancelled() => false,
            };
            if !goes_on {
                break;
            }
            self.send(std::mem::take(&mut batch)).await;
        }
        self.receiver.close();
        while self.receiver.recv_many(&mut batch, QUEUE_SPANS).await > 0 {}
        for part in batch.chunks(BATCH_SPANS) {
            self.send(part.to_vec()).await;
        }
    }

    async fn send(&mut self, batch: Vec<SpanData>) {
        let spans = batch.len() as u64;
        for attempt in 1..=ATTEMPTS {
            let Err(error) = self.exporter.export(batch.clone()).await else {
                counter!(SENT).increment(spans);
                if std::mem::take(&mut self.is_away) {
                    info!("the collector takes spans again");
                }
                return;
            };
            if !std::mem::replace(&mut self.is_away, true) {
                warn!(%error, "the collector takes no spans; they are dropped and counted until it does");
            }
            if attempt < ATTEMPTS && !self.ending.is_cancelled() {
                tokio::select! {
                    () = sleep(RETRY_WAIT) => {}
                    () = self.ending.cancelled() => {}
                }
            }
        }
        counter!(DROPPED, "reason" => NOT_DELIVERED).increment(spans);
    }
}

/// Fills `batch` until it is full, or its first span has waited long enough; false where none will come any more.
async fn gather(receiver: &mut mpsc::Receiver<SpanData>, batch: &mut Vec<SpanData>) -> bool {
    if receiver.recv_many(batch, BATCH_SPANS).await == 0 {
        return false;
    }
    let fill =
        async { while batch.len() < BATCH_SPANS && receiver.recv_many(batch, BATCH_SPANS - batch.len()).await > 0 {} };
    let _ = timeout(GATHERING, fill).await;
    true
}

/// The HTTP client, as the exporter uses it.
#[derive(Debug)]
struct Client(reqwest::Client);

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.0.execute(request.try_into()?).await.inspect_err(|error| {
            // The exporter says no more than that there is one.
            debug!(error = error as &(dyn std::error::Error + 'static), "the collector does not answer");
        })?;
        let status = answer.status();
        let mut response = Response::new(answer.bytes().await?);
        *response.status_mut() = status;
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;
    use opentelemetry::trace::{Tracer, TracerProvider};
    use opentelemetry_sdk::trace::SdkTracerProvider;

    use super::*;

    #[test]
    fn a_full_queue_holds_nobody_up_and_what_is_dropped_is_counted() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let (sender, mut receiver) = mpsc::channel(2);
        let provider = SdkTracerProvider::builder().with_span_processor(Queue(sender)).build();
        metrics::with_local_recorder(&recorder, || {
            for name in ["first", "second", "third", "fourth", "fifth"] {
                drop(provider.tracer("test").start(name));
            }
        });
        let kept: Vec<_> = std::iter::from_fn(|| receiver.try_recv().ok()).map(|span| span.name).collect();
        assert_eq!(kept, ["first", "second"]);
        let shown = recorder.handle().render();
        assert!(shown.contains(r#"purser_spans_dropped_total{reason="queue_full"} 3"#), "{shown}");
    }
}
