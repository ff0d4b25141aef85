//! `/healthz`, `/readyz` and `/metrics`.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::telemetry::Metrics;

/// A check that takes longer than this has failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// What a check says: fine, or why not. The text is public and holds no secret.
pub type CheckResult = Result<(), String>;

type Check = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = CheckResult> + Send>> + Send + Sync>;

/// What has to be fine for this process to be ready; clones share the checks.
#[derive(Clone)]
pub struct Health {
    checks: Arc<Mutex<BTreeMap<String, Check>>>,
    /// Shown beside the checks; they don't decide.
    observations: Arc<Mutex<BTreeMap<String, Check>>>,
    metrics: Metrics,
    soft: CancellationToken,
}

impl Health {
    /// No checks yet. Once `soft` is cancelled the process isn't ready, whatever the checks say.
    pub fn new(metrics: Metrics, soft: CancellationToken) -> Self {
        Self { checks: Arc::default(), observations: Arc::default(), metrics, soft }
    }

    /// Adds a check by name, such as `gateway.database`; a second one of the same name replaces the first.
    pub fn register<F, R>(&self, name: impl Into<String>, check: F)
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = CheckResult> + Send + 'static,
    {
        let check: Check = Arc::new(move || Box::pin(check()));
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), check);
    }

    /// Adds something that is worth knowing and doesn't keep the process from its work, such as `location.NL`: where one
    /// location is down, the others' customers are served.
    pub fn observe<F, R>(&self, name: impl Into<String>, check: F)
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = CheckResult> + Send + 'static,
    {
        let check: Check = Arc::new(move || Box::pin(check()));
        self.observations.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), check);
    }

    /// The three routes, to be merged into a server's own.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(self.clone())
    }

    /// Serves the three routes until the soft end.
    pub async fn serve(&self, listener: TcpListener) -> std::io::Result<()> {
        let soft = self.soft.clone();
        axum::serve(listener, self.router()).with_graceful_shutdown(async move { soft.cancelled().await }).await
    }

    /// Runs all checks at once.
    pub async fn check(&self) -> BTreeMap<String, CheckResult> {
        let mut results = Self::run(&self.checks).await;
        if self.soft.is_cancelled() {
            results.insert("shutdown".to_owned(), Err("this process is ending".to_owned()));
        }
        results
    }

    async fn run(checks: &Mutex<BTreeMap<String, Check>>) -> BTreeMap<String, CheckResult> {
        let checks = checks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut running = JoinSet::new();
        let mut results = BTreeMap::new();
        for (name, check) in checks {
            // Whatever happens to the check, it has an entry.
            results.insert(name.clone(), Err("the check itself failed".to_owned()));
            running.spawn(async move {
                let result = tokio::time::timeout(CHECK_TIMEOUT, check()).await;
                (name, result.unwrap_or_else(|_| Err(format!("no answer within {} s", CHECK_TIMEOUT.as_secs()))))
            });
        }
        while let Some(joined) = running.join_next().await {
            if let Ok((name, result)) = joined {
                results.insert(name, result);
            }
        }
        results
    }
}

async fn ready(State(health): State<Health>) -> Response {
    let (results, observations) = tokio::join!(health.check(), Health::run(&health.observations));
    let ready = results.values().all(Result::is_ok);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut answer = json!({ "ready": ready, "checks": in_words(results) });
    if !observations.is_empty() {
        answer["observations"] = json!(in_words(observations));
    }
    (status, Json(answer)).into_response()
}

fn in_words(results: BTreeMap<String, CheckResult>) -> BTreeMap<String, String> {
    results.into_iter().map(|(name, result)| (name, result.err().unwrap_or_else(|| "ok".to_owned()))).collect()
}

async fn metrics(State(health): State<Health>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], health.metrics.render()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Health {
        Health::new(Metrics::detached().unwrap(), CancellationToken::new())
    }

    #[tokio::test]
    async fn ready_means_that_all_checks_pass() {
        let health = health();
        assert_eq!(ready(State(health.clone())).await.status(), StatusCode::OK);
        health.register("database", || async { Ok(()) });
        assert_eq!(ready(State(health.clone())).await.status(), StatusCode::OK);
        health.register("broker", || async { Err("not connected".to_owned()) });
        let answer = ready(State(health.clone())).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body = axum::body::to_bytes(answer.into_body(), 1024).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body, json!({"ready": false, "checks": {"broker": "not connected", "database": "ok"}}));
    }

    #[tokio::test]
    async fn an_observation_is_shown_and_does_not_decide() {
        let health = health();
        health.observe("location.NL", || async { Err("no answer".to_owned()) });
        let answer = ready(State(health)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let body = axum::body::to_bytes(answer.into_body(), 1024).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body, json!({"ready": true, "checks": {}, "observations": {"location.NL": "no answer"}}));
    }

    #[tokio::test]
    async fn a_check_that_panics_has_failed() {
        let health = health();
        health.register("broken", || async { panic!("a bug") });
        assert_eq!(health.check().await["broken"], Err("the check itself failed".to_owned()));
    }

    #[tokio::test]
    async fn a_process_that_is_ending_is_not_ready() {
        let health = health();
        health.soft.cancel();
        assert_eq!(ready(State(health)).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
