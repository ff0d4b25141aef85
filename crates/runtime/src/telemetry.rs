//! Logs, traces and metrics of a process.

use std::io;
use std::time::Duration;

use history::PUBLISH_TO_ANSWER;
use metrics::{Unit, describe_gauge, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use opentelemetry_sdk::trace::SdkTracer;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

use crate::config::{LogFormat, TelemetryConfig};
use crate::traces::{self, Traces, TracesError};

/// Upper bounds of latency histograms, in seconds: from a local answer to the longest wait of the gateway.
const LATENCY_BUCKETS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0];

/// The same of what may wait two hours for another attempt.
const ANSWER_BUCKETS: &[f64] =
    &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0];
/// What goes over everything, and takes as long as there is much of it.
const ROUNDS: [&str; 3] = ["purser_sweep_seconds", "purser_usage_log_round_seconds", "purser_billing_run_seconds"];
/// Upper bounds of their histograms, in seconds.
const ROUND_BUCKETS: &[f64] = &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0];

/// How often what the recorder gathered is condensed.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Which version runs.
const BUILD: &str = "purser_build_info";

/// Libraries that log what must not be logged: lapin returned messages with their bodies, the signer and the HTTP
/// clients requests with secret keys in their query. And spans that are made for a collector only. Comes last, so that no
/// configured filter outdoes it.
const ALWAYS: &str =
    "lapin=error,aws_sigv4=info,aws_smithy_runtime=info,hyper=info,hyper_util=info,reqwest=info,otel=off";

/// Why logs or metrics could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter can't be read.
    #[error("telemetry.log_filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Something else in this process took the place.
    #[error("logs are set up already: {0}")]
    Logs(Box<dyn std::error::Error + Send + Sync>),
    /// Traces can't be sent.
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// The recorder refused its settings, or there is one already.
    #[error("metrics can't be recorded: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
}

/// Starts logging to standard error. Once per process.
pub fn init_logs(config: &TelemetryConfig) -> Result<(), TelemetryError> {
    let builder = fmt()
        .with_env_filter(filter(config)?)
        .with_writer(io::stderr)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()));
    match config.log_format {
        LogFormat::Pretty => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(TelemetryError::Logs)
}

/// The same, and where the configuration names a collector, sends traces there as those of the service `service_name`.
/// Needs a Tokio runtime, and metrics that are recorded already.
pub fn init(config: &TelemetryConfig, service_name: &str) -> Result<Traces, TelemetryError> {
    let Some(endpoint) = &config.otlp_endpoint else {
        init_logs(config)?;
        return Ok(Traces::off());
    };
    let (sending, tracer) = Traces::start(endpoint, service_name.to_owned())?;
    init_logs_beside(config, tracer)?;
    Ok(sending)
}

/// Logs as ever, and those spans of `tracing` that the collector is to see.
fn init_logs_beside(config: &TelemetryConfig, tracer: SdkTracer) -> Result<(), TelemetryError> {
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(io::IsTerminal::is_terminal(&io::stderr()));
    let lines = match config.log_format {
        LogFormat::Pretty => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let spans = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_filter(Targets::new().with_target(traces::TARGET, LevelFilter::INFO));
    let logs = registry().with(lines.with_filter(filter(config)?)).with(spans).try_init();
    logs.map_err(|error| TelemetryError::Logs(error.into()))
}

fn filter(config: &TelemetryConfig) -> Result<EnvFilter, TelemetryError> {
    Ok(EnvFilter::try_new(format!("{},{ALWAYS}", config.log_filter))?)
}

/// What `/metrics` shows; clones show the same.
#[derive(Clone)]
pub struct Metrics {
    recorded: PrometheusHandle,
    process: Option<Collector>,
}

impl Metrics {
    /// Makes the process's one recorder; counters and histograms go there from now on. Needs a Tokio runtime.
    pub fn install() -> Result<Self, TelemetryError> {
        let handle = builder()?.install_recorder()?;
        let process = Collector::default();
        process.describe();
        describe_gauge!(BUILD, Unit::Count, "1, with the version of this process");
        gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        let upkeep = handle.clone();
        tokio::spawn(async move {
            let mut interval = tokio::time::interval(UPKEEP_INTERVAL);
            loop {
                interval.tick().await;
                upkeep.run_upkeep();
            }
        });
        Ok(Self { recorded: handle, process: Some(process) })
    }

    /// A recorder that nothing records to, for tests and embedders that have one of their own.
    pub fn detached() -> Result<Self, TelemetryError> {
        Ok(Self { recorded: builder()?.build_recorder().handle(), process: None })
    }

    /// All metrics in Prometheus' text format; what the process uses is looked up now.
    pub fn render(&self) -> String {
        self.process.iter().for_each(Collector::collect);
        self.recorded.render()
    }
}

fn builder() -> Result<PrometheusBuilder, TelemetryError> {
    let answers = Matcher::Full(PUBLISH_TO_ANSWER.to_owned());
    let mut builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), LATENCY_BUCKETS)?
        .set_buckets_for_metric(answers, ANSWER_BUCKETS)?;
    for name in ROUNDS {
        builder = builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), ROUND_BUCKETS)?;
    }
    Ok(builder)
}
