//! A real Prometheus, with the configuration, the rules and the dashboard that operators get, reads a Purser at work.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use messages::Encoding;
use serde_json::{Value, json};
use test_support::deployment::{PortLease, Process, Settings};
use test_support::services::{Progress, Stack};
use test_support::world::{World, wait_until};

use crate::broker_restart::own_broker;
use crate::{LIMIT, order};

/// In place of the variables that Grafana fills in; a rate needs two samples of it.
const VARIABLES: [(&str, &str); 1] = [("$__rate_interval", "20s")];
const ROLES: [&str; 4] = ["gateway", "provisioner", "metering", "billing"];

/// Prometheus as our child.
struct Prometheus {
    child: Child,
    url: String,
    _port: PortLease,
}

impl Prometheus {
    /// Starts one that reads the processes and the broker, as `deploy/prometheus/prometheus.yml` says but for the addresses
    /// and the interval.
    fn start(dir: &Path, processes: &[Process], broker: &str) -> Self {
        let mut config = deployed("prometheus/prometheus.yml");
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/prometheus/alerts.yml");
        let mut replace = |from: &str, to: &str| {
            assert!(config.contains(from), "prometheus.yml has no {from}");
            config = config.replace(from, to);
        };
        for process in processes {
            replace(&format!("{}:8080", process.role()), process.address());
        }
        replace("rabbitmq:15692", broker);
        replace("interval: 15s", "interval: 1s");
        replace("rule_files: [alerts.yml]", &format!("rule_files: [{}]", rules.canonicalize().unwrap().display()));
        let file = dir.join("prometheus.yml");
        fs::write(&file, config).unwrap();
        let port = PortLease::take().unwrap();
        let log = fs::File::create(dir.join("prometheus.log")).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{}", port.port()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("prometheus runs: Debian has it in the package prometheus, which `cargo xtask test` installs");
        Self { child, url: format!("http://127.0.0.1:{}", port.port()), _port: port }
    }

    /// The `data` of an answer of its API; what it says instead of an answer is the error.
    async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let request = reqwest::Client::new().get(format!("{}/api/v1/{path}", self.url)).query(parameters);
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let mut body: Value = answer.json().await.map_err(|error| error.to_string())?;
        if body["status"] == "success" { Ok(body["data"].take()) } else { Err(body.to_string()) }
    }

    /// The series that a query has now.
    async fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let mut data = self.get("query", &[("query", expression)]).await?;
        Ok(data["result"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Stops the broker, however the test ends.
struct Broker(Stack);

impl Drop for Broker {
    fn drop(&mut self) {
        if let Err(error) = self.0.down(&Progress::silent()) {
            eprintln!("the broker of this test may be left: {error:#}");
        }
    }
}

fn deployed(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(path)).unwrap()
}

/// Each query of the dashboard, with the title of its panel.
fn dashboard_queries() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&deployed("grafana/purser.json")).unwrap();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let mut expression = target["expr"].as_str().unwrap().to_owned();
            for (name, value) in VARIABLES {
                expression = expression.replace(name, value);
            }
            assert!(!expression.contains('$'), "{expression}: a variable that this test doesn't know");
            queries.push((panel["title"].as_str().unwrap().to_owned(), expression));
        }
    }
    queries
}

/// What an operator wants to see of: an order, a bucket, a refused command, a query over AMQP.
async fn work(world: &World) {
    let (s3uid, bucket) = order(world).await;
    let second = world.bucket_name("second");
    let (_, created) = world.http("create_bucket", json!({"s3uid": s3uid, "bucket_name": second})).await;
    assert_eq!(created["result"], "OK", "{created}");
    let (_, refused) =
        world.http("delete_bucket", json!({"s3uid": s3uid, "bucket_name": format!("{bucket}-no")})).await;
    assert_eq!(refused["code"], -1, "{refused}");
    let php = world.frontend().await;
    let plans = php.call("list_plans", json!({}), Encoding::MessagePack, None).await.unwrap();
    assert_eq!(plans["action"], "list_plans", "{plans}");
    php.close().await;
}

async fn all_targets_are_read(prometheus: &Prometheus) {
    wait_until(LIMIT, "all targets are up", async || {
        let Ok(targets) = prometheus.get("targets", &[]).await else { return false };
        let targets = targets["activeTargets"].as_array().unwrap();
        targets.len() == 6 && targets.iter().all(|target| target["health"] == "up")
    })
    .await;
}

/// All rules are loaded, were evaluated without an error, and none says that something is wrong.
async fn rules_are_sound(prometheus: &Prometheus) {
    let wanted = deployed("prometheus/alerts.yml").matches("- alert: ").count();
    let mut rules = Vec::new();
    wait_until(LIMIT, "all rules are evaluated", async || {
        let data = prometheus.get("rules", &[]).await.unwrap();
        let groups = data["groups"].as_array().unwrap();
        rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect();
        rules.len() == wanted && rules.iter().all(|rule| rule["health"] != "unknown")
    })
    .await;
    for rule in rules {
        let (name, expression) = (&rule["name"], rule["query"].as_str().unwrap());
        assert_eq!(rule["health"], "ok", "{rule}");
        assert_ne!(rule["state"], "firing", "{rule}");
        prometheus.query(expression).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[tokio::test]
async fn prometheus_has_an_answer_to_every_question_of_dashboard_and_alerts() {
    let dir = tempfile::tempdir().unwrap();
    let broker_dir = dir.path().join("broker");
    let services = own_broker(&broker_dir).await;
    let broker = Broker(Stack::at(&broker_dir).unwrap());
    let broker_address = broker.0.rabbitmq_metrics_address().unwrap();
    let variables = vec![("PURSER__PROVISIONER__RECONCILE_INTERVAL_SECONDS".to_owned(), "1".to_owned())];
    let world = World::start_on(&services, Settings { variables, ..Settings::default() }, &ROLES).await;
    let prometheus = Prometheus::start(dir.path(), &world.processes, &broker_address);
    all_targets_are_read(&prometheus).await;
    work(&world).await;

    for (series, at_least) in [
        (r#"sum(purser_messages_total{role="provisioner",type="create_bucket",outcome="done"})"#, 1.0),
        (r#"sum(purser_messages_total{role="provisioner",type="delete_bucket",outcome="refused"})"#, 1.0),
        (r#"sum(purser_publish_to_answer_seconds_count{role="billing",type="create_order"})"#, 1.0),
        (r#"sum(purser_documents_issued_total{kind="invoice",currency="EUR"})"#, 1.0),
        (r#"sum(purser_billing_run_services_total{outcome="issued"})"#, 1.0),
        (r#"sum(purser_rgw_admin_call_seconds_count{outcome="answered",resource="user"})"#, 2.0),
    ] {
        wait_until(LIMIT, &format!("{series} is at least {at_least}"), async || {
            let found = prometheus.query(series).await.unwrap();
            let value = found.first().and_then(|found| found["value"][1].as_str()?.parse::<f64>().ok());
            value.is_some_and(|value| value >= at_least)
        })
        .await;
    }
    let queries = dashboard_queries();
    assert!(queries.len() > 40, "{queries:?}");
    for (panel, expression) in queries {
        wait_until(LIMIT, &format!("panel {panel:?} shows something: {expression}"), async || {
            let found = prometheus.query(&expression).await;
            !found.unwrap_or_else(|error| panic!("{panel:?}: {expression}: {error}")).is_empty()
        })
        .await;
    }
    rules_are_sound(&prometheus).await;
}
