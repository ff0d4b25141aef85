//! `purser usage`.

use std::fmt::Display;
use std::io;

use anyhow::Context;
use clap::{Args, ValueEnum};
use comfy_table::CellAlignment;
use messages::{UsageReport, UsageReportReply, UsageSection, UsageTotalsReply};
use model::{Clock, PlainTime, S3Uid, SystemClock};
use runtime::config::Config;

use super::{moment, owner_pool, table};

/// What an account used, by hour, day or bucket.
#[derive(Debug, Args)]
pub(crate) struct UsageCommand {
    /// The account
    #[arg(long, value_name = "S3UID")]
    account: S3Uid,
    /// The first hour of UTC, such as 2026-11-01 or "2026-11-01 13:00:00" [default: of this month]
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    from: Option<PlainTime>,
    /// The end, which is not included [default: of the running hour]
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    to: Option<PlainTime>,
    /// What one row stands for
    #[arg(long, value_enum, default_value_t = Section::Day)]
    by: Section,
    /// Print the report as JSON, as the action `usage_report` answers it
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print the rows as CSV
    #[arg(long)]
    csv: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Section {
    Hour,
    Day,
    Bucket,
}

const COLUMNS: [&str; 7] = [
    "traffic_in_bytes",
    "traffic_out_bytes",
    "operations",
    "successful_operations",
    "storage_byte_hours",
    "storage_peak_bytes",
    "storage_closing_bytes",
];

impl UsageCommand {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let by = match self.by {
            Section::Hour => UsageSection::Hour,
            Section::Day => UsageSection::Day,
            Section::Bucket => UsageSection::Bucket,
        };
        let wanted = UsageReport { s3uid: None, id: None, from: self.from, to: self.to, by: Some(by) };
        let pool = owner_pool(config).await?;
        let report = metering::usage_report(&pool, &self.account, &wanted, SystemClock.now())
            .await?
            .with_context(|| format!("there is no account {}", self.account))?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else if self.csv {
            print_csv(&report)?;
        } else {
            print_table(&report);
        }
        Ok(())
    }
}

fn section_title(by: UsageSection) -> &'static str {
    match by {
        UsageSection::Hour => "hour",
        UsageSection::Day => "day",
        UsageSection::Bucket => "bucket",
    }
}

fn values(section: impl Display, usage: &UsageTotalsReply) -> Vec<String> {
    let UsageTotalsReply {
        traffic_in_bytes,
        traffic_out_bytes,
        operations,
        successful_operations,
        storage_byte_hours,
        storage_peak_bytes,
        storage_closing_bytes,
    } = usage;
    vec![
        section.to_string(),
        traffic_in_bytes.to_string(),
        traffic_out_bytes.to_string(),
        operations.to_string(),
        successful_operations.to_string(),
        storage_byte_hours.to_string(),
        storage_peak_bytes.to_string(),
        storage_closing_bytes.to_string(),
    ]
}

fn print_csv(report: &UsageReportReply) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(io::stdout());
    writer.write_record(std::iter::once(section_title(report.by)).chain(COLUMNS))?;
    for row in &report.rows {
        writer.write_record(values(&row.section, &row.usage))?;
    }
    Ok(writer.flush()?)
}

fn print_table(report: &UsageReportReply) {
    let headings: Vec<&str> = std::iter::once(section_title(report.by)).chain(COLUMNS).collect();
    let rows = report.rows.iter().map(|row| values(&row.section, &row.usage));
    let mut table = table::plain(headings, rows.chain([values("total", &report.totals)]));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{}", table.trim_fmt());
    let or_never = |time: &Option<PlainTime>| time.map_or_else(|| "never".to_owned(), |time| time.to_string());
    println!("measured at {}, final until {}", or_never(&report.measured_at), or_never(&report.final_until));
    for gap in &report.gaps {
        println!("RGW's log has a gap in the hour {}: {}", gap.hour, gap.detail);
    }
}
