//! `purser reconcile`.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, ensure};
use chrono::TimeDelta;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use history::Journal;
use messages::{DriftKind, RoleName};
use model::{Location, S3Uid, SystemClock};
use provisioner::reconcile::{Finding, REPAIRABLE, Report, Scope};
use runtime::config::Config;

use super::{progress, table, worker};

#[derive(Debug, Args)]
pub(crate) struct Reconcile {
    /// Only this location
    #[arg(long, value_name = "CODE")]
    location: Option<Location>,
    /// Only this account
    #[arg(long, value_name = "S3UID")]
    account: Option<S3Uid>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Put differences of this kind right; may be given several times. No customer's data is deleted
    #[arg(long, value_name = "KIND", value_parser = repairable())]
    repair: Vec<DriftKind>,
}

fn repairable() -> impl TypedValueParser<Value = DriftKind> {
    PossibleValuesParser::new(REPAIRABLE.map(DriftKind::as_str))
        .try_map(|name| REPAIRABLE.into_iter().find(|kind| kind.as_str() == name).ok_or("no kind that can be repaired"))
}

impl Reconcile {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        let Self { location, account, json, repair } = self;
        let own = config.provisioner.clone().context("this command needs the section [provisioner]")?;
        if let Some(location) = &location {
            ensure!(config.locations.get(location).is_some(), "there is no section [locations.{location}]");
        }
        let settings = worker::provisioner_settings(config, &own)?;
        let pool = worker::pool(RoleName::Provisioner, &own.database_url, config)?;
        let lease = TimeDelta::seconds(i64::try_from(own.lease_seconds)?);
        let journal = Journal::new(pool, RoleName::Provisioner, Arc::new(SystemClock), lease);
        let scope = Scope { location, account, repair: repair.into_iter().collect() };
        let spinner = progress::spinner(if scope.repair.is_empty() { "comparing" } else { "comparing and repairing" });
        let report = provisioner::reconcile::reconcile(journal, settings, &scope).await;
        spinner.finish_and_clear();
        let report = report?;
        if json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            print(&report);
        }
        Ok(if !report.impossible.is_empty() {
            ExitCode::from(2)
        } else if report.has_drift() {
            ExitCode::from(1)
        } else {
            ExitCode::SUCCESS
        })
    }
}

const HEADINGS: [&str; 7] = ["KIND", "LOCATION", "ACCOUNT", "SUBJECT", "EXPECTED", "FOUND", "REPAIRED"];

fn print(report: &Report) {
    if !report.findings.is_empty() {
        println!("{}", table::plain(HEADINGS, report.findings.iter().map(row)).trim_fmt());
    }
    for finding in &report.findings {
        if let Some(note) = &finding.note {
            println!("{} {}: {note}", finding.drift.kind, finding.drift.subject);
        }
    }
    for impossible in &report.impossible {
        let location = impossible.location.as_ref().map_or("anywhere", Location::as_str);
        let what =
            impossible.s3uid.as_ref().map_or_else(|| location.to_owned(), |s3uid| format!("{s3uid} in {location}"));
        println!("not compared: {what}: {}", impossible.error);
    }
    println!("{} accounts compared, {} left out because they are changing", report.accounts, report.skipped);
}

fn row(finding: &Finding) -> [String; 7] {
    let drift = &finding.drift;
    [
        drift.kind.to_string(),
        drift.location.to_string(),
        drift.s3uid.as_ref().map_or_else(|| "-".to_owned(), S3Uid::to_string),
        drift.subject.clone(),
        drift.expected.clone(),
        drift.found.clone(),
        if finding.is_repaired { "yes" } else { "no" }.to_owned(),
    ]
}
