//! Traces, as a collector with OpenTelemetry's own definitions reads them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use test_support::deployment::{PortLease, Settings};
use test_support::python;
use test_support::world::{World, wait_until};
use uuid::Uuid;

use crate::{LIMIT, order, text};

const ROLES: [&str; 4] = ["gateway", "provisioner", "metering", "billing"];
const REMOTE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A collector as our child, with the spans that it got.
struct Collector {
    child: Child,
    spans: Arc<Mutex<Vec<Value>>>,
    port: u16,
}

impl Collector {
    /// At a port of the test's choice, or any (0).
    fn start(port: u16) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let requirements = root.join("tests/otlp/requirements.txt");
        let interpreter = {
            static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
            let _one = ONE_AT_A_TIME.lock();
            python::with(&requirements, &root.join("target/otlp-python"))
                .expect("Python with OpenTelemetry's definitions")
        };
        let mut child = Command::new(interpreter)
            .arg(root.join("tests/otlp/receiver.py"))
            .arg(port.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        let spans: Arc<Mutex<Vec<Value>>> = Arc::default();
        let seen = Arc::clone(&spans);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let span: Value = serde_json::from_str(&line).unwrap();
                let mut seen = seen.lock().unwrap();
                // A batch comes again where its answer came too late.
                if !seen.iter().any(|known| known["span_id"] == span["span_id"]) {
                    seen.push(span);
                }
            }
        });
        Self { child, spans, port: u16::try_from(first["port"].as_u64().unwrap()).unwrap() }
    }

    fn spans(&self) -> Vec<Value> {
        self.spans.lock().unwrap().clone()
    }

    fn of_trace(&self, trace_id: &str) -> Vec<Value> {
        self.spans().into_iter().filter(|span| span["trace_id"] == trace_id).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn settings(port: u16) -> Settings {
    let endpoint = format!("http://127.0.0.1:{port}");
    let variables = [
        ("PURSER__TELEMETRY__OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=purser"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Settings { variables, ..Settings::default() }
}

/// POSTs `create_bucket` under this id, in a trace of the caller's or none.
async fn create_bucket(world: &World, s3uid: &str, id: Uuid, traceparent: Option<&str>) {
    let mut request = reqwest::Client::new()
        .post(format!("{}/s3.php", world.deployment.gateway_url()))
        .header("Idempotency-Key", id.to_string())
        .form(&[
            ("action", "create_bucket"),
            ("token", &world.customer_token),
            ("s3uid", s3uid),
            ("bucket_name", &world.bucket_name("traced")),
        ]);
    if let Some(traceparent) = traceparent {
        request = request.header("traceparent", traceparent);
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
}

/// The one span of this service with this name.
fn one<'a>(spans: &'a [Value], service: &str, name: &str) -> &'a Value {
    let found: Vec<_> = spans.iter().filter(|span| span["service"] == service && span["name"] == name).collect();
    assert_eq!(found.len(), 1, "{name} of {service}: {spans:#?}");
    found[0]
}

/// Waits for all spans of a `create_bucket`: each process sends its own when it likes.
async fn whole_trace(collector: &Collector, trace_id: &str) -> Vec<Value> {
    const EXPECTED: [(&str, &str); 5] = [
        ("purser-gateway", "POST /s3.php"),
        ("purser-provisioner", "process s3.provisioner"),
        ("purser-provisioner", "S3 CreateBucket"),
        ("purser-provisioner", "send s3.events"),
        ("purser-metering", "process s3.metering.events"),
    ];
    wait_until(LIMIT, "the trace is complete", async || {
        let spans = collector.of_trace(trace_id);
        EXPECTED
            .iter()
            .all(|(service, name)| spans.iter().any(|span| span["service"] == *service && span["name"] == *name))
    })
    .await;
    collector.of_trace(trace_id)
}

#[tokio::test]
async fn a_command_is_one_trace_over_the_roles() {
    let collector = Collector::start(0);
    let world = World::start_with(settings(collector.port), &ROLES).await;
    let (s3uid, _) = order(&world).await;

    let id = Uuid::now_v7();
    create_bucket(&world, &s3uid, id, None).await;
    let spans = whole_trace(&collector, &id.simple().to_string()).await;
    let http = one(&spans, "purser-gateway", "POST /s3.php");
    assert_eq!((&http["parent"], &http["kind"]), (&json!(""), &json!("SPAN_KIND_SERVER")), "{http}");
    for (name, value) in [
        ("http.request.method", json!("POST")),
        ("http.route", json!("/s3.php")),
        ("http.response.status_code", json!(200)),
        ("purser.action", json!("create_bucket")),
    ] {
        assert_eq!(http["attributes"][name], value, "{http}");
    }
    let handled = one(&spans, "purser-provisioner", "process s3.provisioner");
    assert_eq!((&handled["parent"], &handled["kind"]), (&http["span_id"], &json!("SPAN_KIND_CONSUMER")), "{handled}");
    for (name, value) in [
        ("messaging.system", json!("rabbitmq")),
        ("messaging.destination.name", json!("s3.provisioner")),
        ("messaging.operation.type", json!("process")),
        ("messaging.message.id", json!(id.to_string())),
        ("purser.message_type", json!("create_bucket")),
        ("purser.outcome", json!("done")),
    ] {
        assert_eq!(handled["attributes"][name], value, "{handled}");
    }
    let made = one(&spans, "purser-provisioner", "S3 CreateBucket");
    assert_eq!((&made["parent"], &made["kind"]), (&handled["span_id"], &json!("SPAN_KIND_CLIENT")), "{made}");
    let published = one(&spans, "purser-provisioner", "send s3.events");
    assert_eq!((&published["parent"], &published["kind"]), (&handled["span_id"], &json!("SPAN_KIND_PRODUCER")));
    assert_eq!(published["attributes"]["messaging.rabbitmq.destination.routing_key"], "bucket.created");
    let seen = one(&spans, "purser-metering", "process s3.metering.events");
    assert_eq!(seen["parent"], published["span_id"], "{seen}");
    for span in &spans {
        let (start, end) = (span["start"].as_u64().unwrap(), span["end"].as_u64().unwrap());
        assert!(start <= end && end - start < 60_000_000_000, "{span}");
        assert_eq!((&span["environment"], &span["tenant"]), (&json!("test"), &json!("purser")), "{span}");
    }
    // What operators see under the command's id is the same trace.
    let way = world.deployment.purser_ok(&["trace", &id.to_string(), "--json"]).await.unwrap();
    let way: Value = serde_json::from_str(&way).unwrap();
    assert_eq!(way["trace_id"], http["trace_id"]);
    assert!(way["way"].as_array().is_some_and(|steps| steps.len() >= 3), "{way}");

    // A caller's own trace goes on.
    create_bucket(&world, &s3uid, Uuid::now_v7(), Some(REMOTE)).await;
    let spans = whole_trace(&collector, "4bf92f3577b34da6a3ce929d0e0e4736").await;
    assert_eq!(one(&spans, "purser-gateway", "POST /s3.php")["parent"], "00f067aa0ba902b7");

    let everything = json!(collector.spans()).to_string();
    let secrets = world.sql("SELECT access_key FROM provisioner.accounts").await;
    for secret in secrets.lines().chain([world.customer_token.as_str()]) {
        assert!(!everything.contains(secret), "a span shows {secret}");
    }
}

#[tokio::test]
async fn a_collector_that_is_away_harms_nothing_and_is_used_again_once_it_is_back() {
    let port = PortLease::take().unwrap();
    let mut world = World::start_with(settings(port.port()), &["all"]).await;
    let (s3uid, _) = order(&world).await;
    let value = async |series: &str| {
        let shown = world.processes[0].metrics().await.unwrap();
        let value = shown.lines().find_map(|line| line.strip_prefix(series)).unwrap_or_default().trim().to_owned();
        value.parse::<u64>().unwrap_or(0)
    };
    wait_until(LIMIT, "what is not delivered is counted", async || {
        value(r#"purser_spans_dropped_total{reason="not_delivered"}"#).await > 0
    })
    .await;
    create_bucket(&world, &s3uid, Uuid::now_v7(), None).await;
    let warnings = |log: &str| log.matches("the collector takes no spans").count();
    assert_eq!(warnings(&world.processes[0].log()), 1, "one warning is enough");

    let collector = Collector::start(port.port());
    let id = Uuid::now_v7();
    create_bucket(&world, &s3uid, id, None).await;
    wait_until(LIMIT, "spans arrive again", async || !collector.of_trace(&id.simple().to_string()).is_empty()).await;
    wait_until(LIMIT, "the log says so", async || world.processes[0].log().contains("the collector takes spans again"))
        .await;

    // The last spans leave with the process: nobody waits for them here.
    let last = Uuid::now_v7();
    create_bucket(&world, &s3uid, last, None).await;
    assert!(world.processes[0].stop().await.unwrap().success());
    wait_until(LIMIT, "the last spans arrive", async || {
        let spans = collector.of_trace(&last.simple().to_string());
        spans.iter().any(|span| text(&span["name"]) == "POST /s3.php")
    })
    .await;
}
