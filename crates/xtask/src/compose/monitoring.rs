//! The Prometheus of the profile `monitoring`: whether it finds everybody whom it should read.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use test_support::http;

/// Some intervals of scraping.
const LIMIT: Duration = Duration::from_secs(90);
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Waits until every target is up; returns their names, such as `purser gateway:8080`.
pub(super) async fn targets_up(prometheus_url: &str) -> Result<Vec<String>> {
    let url = format!("{prometheus_url}/api/v1/targets");
    let deadline = Instant::now() + LIMIT;
    loop {
        let answer = http::client()?.get(&url).send().await?.error_for_status()?;
        let answer: Value = serde_json::from_str(&answer.text().await?)?;
        let targets = answer["data"]["activeTargets"].as_array().context("Prometheus names no targets")?;
        let down: Vec<_> = targets.iter().filter(|target| target["health"] != "up").collect();
        if down.is_empty() && !targets.is_empty() {
            return Ok(targets.iter().map(name).collect());
        }
        if Instant::now() > deadline {
            let told = down.iter().map(|target| format!("{}: {}", name(target), target["lastError"]));
            bail!("Prometheus can't read {}", told.collect::<Vec<_>>().join("; "));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn name(target: &Value) -> String {
    let label = |name: &str| target["labels"][name].as_str().unwrap_or_default().to_owned();
    format!("{} {}", label("job"), label("instance"))
}
