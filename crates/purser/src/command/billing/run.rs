//! `purser billing run`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use billing::run::Progress;
use clap::Args;
use indicatif::ProgressBar;
use messages::RoleName;
use model::{Clock, PlainTime, SystemClock};
use runtime::config::Config;
use runtime::telemetry;
use serde::Serialize;

use crate::command::{billing_settings, journal, moment, progress};

/// How often it tells how far it is: after so many documents, or so long.
const REPORT_DOCUMENTS: u64 = 100;
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Issue what is due by this time of UTC, such as 2026-11-01 or "2026-11-01 13:00:00" [default: now]. The documents
    /// bear its date; in the future it means that they are issued ahead of time
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    at: Option<PlainTime>,
    /// Print the summary as JSON: {"issued":3,"empty":0,"waiting":1,"failed":0}
    #[arg(long)]
    json: bool,
}

/// The last line.
#[derive(Debug, Serialize)]
struct Summary {
    issued: u64,
    empty: u64,
    waiting: u64,
    failed: u64,
}

impl Run {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        let settings = billing_settings(config)?;
        // It says why a service can't be invoiced.
        telemetry::init_logs(&config.telemetry)?;
        let now = SystemClock.now();
        let at = self.at.map_or(now, |at| at.0);
        if at > now {
            eprintln!("warning: {} is in the future; invoices are issued ahead of time", PlainTime(at));
        }
        let journal = journal(config, RoleName::Billing).await?;
        let mut reporter = Reporter { last: Instant::now(), counter: progress::counter("services") };
        let done = billing::run::run(&journal, &settings, at, |progress| reporter.report(progress)).await;
        reporter.counter.finish_and_clear();
        let done = done?;
        let Progress { issued, empty, waiting, failed } = done;
        if self.json {
            println!("{}", serde_json::to_string(&Summary { issued, empty, waiting, failed })?);
        } else {
            println!("{}", in_words(&done));
        }
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

fn in_words(progress: &Progress) -> String {
    let Progress { issued, empty, waiting, failed } = progress;
    format!("{issued} issued, {empty} empty, {waiting} waiting, {failed} failed")
}

/// Tells on stderr how far the run is: on a terminal in place, elsewhere line by line.
struct Reporter {
    last: Instant,
    counter: ProgressBar,
}

impl Reporter {
    fn report(&mut self, progress: &Progress) {
        self.counter.set_position(progress.total());
        if !self.counter.is_hidden() {
            return;
        }
        if progress.total().is_multiple_of(REPORT_DOCUMENTS) || self.last.elapsed() >= REPORT_INTERVAL {
            self.last = Instant::now();
            eprintln!("{}", in_words(progress));
        }
    }
}
