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

/// Whether a line of `/metrics` is a value of this series.
fn is_of(line: &str, name: &str) -> bool {
    line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
}
