//! What Prometheus sees of a running Purser.

use std::collections::BTreeSet;
use std::path::Path;

use test_support::deployment::Settings;
use test_support::world::{World, wait_until};

use crate::{LIMIT, order};

#[tokio::test]
async fn every_series_that_an_alert_asks_for_is_shown_before_anything_goes_wrong() {
    let variables = vec![("PURSER__PROVISIONER__RECONCILE_INTERVAL_SECONDS".to_owned(), "1".to_owned())];
    let world = World::start_with(Settings { variables, ..Settings::default() }, &["all"]).await;
    order(&world).await;
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/prometheus/alerts.yml");
    let rules = std::fs::read_to_string(rules).unwrap();
    let words = rules.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    let wanted: BTreeSet<_> = words.filter(|word| word.starts_with("purser_")).map(str::to_owned).collect();
    assert!(wanted.len() >= 8, "{wanted:?}");
    let url = format!("{}/metrics", world.deployment.gateway_url());
    for name in wanted {
        wait_until(LIMIT, &format!("{name} is shown"), async || {
            let shown = reqwest::get(&url).await.unwrap().text().await.unwrap();
            shown.lines().any(|line| is_of(line, &name))
        })
        .await;
    }
    let shown = reqwest::get(&url).await.unwrap().text().await.unwrap();
    for zero in [
        r#"purser_usage_gaps_total{location="NL",kind="lost_flush"} 0"#,
        r#"purser_bus_let_go_total{queue="s3.billing",reason="untrusted"} 0"#,
        r#"purser_http_shed_total{reason="full"} 0"#,
    ] {
        assert!(shown.lines().any(|line| line == zero), "{zero} is missing: {shown}");
    }
}

#[tokio::test]
async fn what_a_role_cannot_publish_shows_as_lag_until_it_can() {
    let world = World::start().await;
    let value = async |series: &str| {
        let shown = world.processes[0].metrics().await.unwrap();
        shown.lines().find_map(|line| line.strip_prefix(series)).unwrap_or_default().trim().to_owned()
    };
    let (seconds, messages) =
        (r#"purser_relay_lag_seconds{role="billing"}"#, r#"purser_relay_lag_messages{role="billing"}"#);
    let nothing_waits = async || value(seconds).await == "0" && value(messages).await == "0";
    wait_until(LIMIT, "there is no lag", nothing_waits).await;

    world
        .sql(
            "INSERT INTO billing.outbox (subject, envelope, body, created_at)
             VALUES ('plan/0', '{}', '{}', now() - interval '10 minutes')",
        )
        .await;
    wait_until(LIMIT, "one message has waited for ten minutes", async || {
        let age = value(seconds).await.parse().unwrap_or(0.0);
        (600.0..1200.0).contains(&age) && value(messages).await == "1"
    })
    .await;
    // The others go on meanwhile.
    order(&world).await;

    world.sql("DELETE FROM billing.outbox WHERE subject = 'plan/0'").await;
    wait_until(LIMIT, "there is no lag any more", nothing_waits).await;
}

/// The names that `/metrics` shows, which are explained there, each with its type.
fn shown_names(metrics: &str) -> BTreeSet<String> {
    let words = |line: &'static str| {
        let lines = metrics.lines().filter_map(move |text| text.strip_prefix(line));
        lines.filter_map(|rest| rest.split(' ').next()).map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let (types, helps) = (words("# TYPE "), words("# HELP "));
    assert_eq!(types, helps, "each series is explained");
    types
}

#[tokio::test]
async fn every_series_is_documented_and_every_documented_one_is_shown() {
    // A collector of traces is asked for; that nobody answers there changes nothing.
    let variables =
        [("PROVISIONER__RECONCILE_INTERVAL_SECONDS", "1"), ("TELEMETRY__OTLP_ENDPOINT", "http://127.0.0.1:1")]
            .map(|(key, value)| (format!("PURSER__{key}"), value.to_owned()))
            .to_vec();
    let world = World::start_with(Settings { variables, ..Settings::default() }, &["all"]).await;
    order(&world).await;
    let kinds = documented();
    let documented: BTreeSet<_> = kinds.iter().map(|(name, _)| name.clone()).collect();
    assert!(documented.len() > 30, "{documented:?}");
    let mut shown = BTreeSet::new();
    wait_until(LIMIT, "all documented series are shown", async || {
        shown = shown_names(&world.processes[0].metrics().await.unwrap());
        documented.is_subset(&shown)
    })
    .await;
    let unknown: Vec<_> = shown.difference(&documented).collect();
    assert!(unknown.is_empty(), "docs/metrics.md lacks {unknown:?}");
    let metrics = world.processes[0].metrics().await.unwrap();
    for (name, kind) in kinds {
        assert!(metrics.contains(&format!("# TYPE {name} {kind}\n")), "{name} is no {kind}");
    }
    for bucket in [
        r#"purser_billing_run_seconds_bucket{le="3600"}"#,
        r#"purser_sweep_seconds_bucket{le="3600"}"#,
        r#"purser_publish_to_answer_seconds_bucket{type="create_order",le="7200"}"#,
        r#"purser_http_request_seconds_bucket{action="create_order",le="0.005"}"#,
    ] {
        assert!(metrics.contains(bucket), "{bucket} is missing: {metrics}");
    }
}

/// The table of docs/metrics.md: each series with its type.
fn documented() -> Vec<(String, String)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let text = std::fs::read_to_string(file).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `")).map(|line| line.split('|').collect::<Vec<_>>());
    rows.map(|cells| (cells[1].trim().trim_matches('`').to_owned(), cells[2].trim().to_owned())).collect()
}

/// Whether a line of `/metrics` is a value of this series.
fn is_of(line: &str, name: &str) -> bool {
    line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
}
