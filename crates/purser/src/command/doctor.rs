//! `purser doctor`: checks of what lies around Purser, each with a remedy.

mod broker;
mod database;
mod keys;
mod rgw;

use std::fmt;
use std::process::ExitCode;

use clap::Args;
use runtime::config::Config;
use serde::Serialize;

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Ok,
    /// It works, but not for long or not well.
    Warning,
    Failed,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "FAILED",
        })
    }
}

/// One check, done.
#[derive(Debug, Clone, Serialize)]
struct Check {
    /// Like `rgw.NL.caps`.
    name: String,
    outcome: Outcome,
    /// What was seen.
    seen: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Check {
    fn ok(name: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Ok, seen: seen.into(), remedy: None }
    }

    fn warning(name: impl Into<String>, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Warning, seen: seen.into(), remedy: Some(remedy.into()) }
    }

    fn failed(name: impl Into<String>, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Failed, seen: seen.into(), remedy: Some(remedy.into()) }
    }
}

#[derive(Serialize)]
struct Checks {
    checks: Vec<Check>,
}

impl Doctor {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        let mut checks = database::checks(config).await;
        checks.extend(broker::checks(config).await);
        checks.extend(keys::checks(config).await);
        checks.extend(rgw::checks(config).await?);
        let has_failed = checks.iter().any(|check| check.outcome == Outcome::Failed);
        if self.json {
            println!("{}", serde_json::to_string_pretty(&Checks { checks })?);
        } else {
            print(&checks);
        }
        Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn print(checks: &[Check]) {
    let width = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or_default();
    for Check { name, outcome, seen, remedy } in checks {
        println!("{outcome:7}  {name:width$}  {seen}");
        if let Some(remedy) = remedy {
            println!("{:9}{:width$}  -> {remedy}", "", "");
        }
    }
}
