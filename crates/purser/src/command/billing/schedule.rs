//! `purser billing schedule`.

use anyhow::{Context, ensure};
use billing::schedules::{BillingDay, SchedulePeriod, Term, periods};
use chrono::{Months, NaiveDate};
use clap::Args;
use comfy_table::CellAlignment;
use serde::Serialize;

use crate::command::{moment, table};

/// Whatever is meant to last longer is a typing error.
const YEARS_MAX: u32 = 200;

#[derive(Debug, Args)]
pub(crate) struct ScheduleCommand {
    /// The service's first day, such as 2026-03-20
    #[arg(long, value_name = "DAY", value_parser = moment::day)]
    start: NaiveDate,
    /// Its end: the first day that is no longer part of it [default: none]
    #[arg(long, value_name = "DAY", value_parser = moment::day)]
    end: Option<NaiveDate>,
    /// When periods begin: on this day of the month from 1 to 31 (or on the month's last, where that is earlier), or
    /// "anniversary", on the service's own first day
    #[arg(long, value_name = "N|anniversary", default_value = "anniversary")]
    billing_day: BillingDay,
    /// A period's length, such as 1M, 3M, 1Y, 2W or 30D
    #[arg(long)]
    period: Term,
    /// Show the periods that begin on this day or before
    #[arg(long, value_name = "DAY", value_parser = moment::day)]
    until: NaiveDate,
    /// Print {"periods":[{"start":…,"end":…,"fraction":…}]}; a period's end is the first day that is no longer part of it
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Periods {
    periods: Vec<SchedulePeriod>,
}

impl ScheduleCommand {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let periods = self.periods()?;
        if self.json {
            println!("{}", serde_json::to_string(&Periods { periods })?);
            return Ok(());
        }
        let row =
            |period: &SchedulePeriod| [period.start.to_string(), period.end.to_string(), period.fraction.to_string()];
        let mut table = table::plain(["START", "END", "FRACTION"], periods.iter().map(row));
        if let Some(fraction) = table.column_mut(2) {
            fraction.set_cell_alignment(CellAlignment::Right);
        }
        println!("{}", table.trim_fmt());
        Ok(())
    }

    fn periods(&self) -> anyhow::Result<Vec<SchedulePeriod>> {
        let Self { start, end, billing_day, period, until, .. } = *self;
        ensure!(!period.is_zero(), "--period must not be 0: use a length such as 1M");
        let has_fixed_day = period.months().is_some();
        ensure!(
            has_fixed_day || billing_day == BillingDay::Anniversary,
            "--billing-day must be \"anniversary\": a period of {period} has no fixed day of the month"
        );
        ensure!(end.is_none_or(|end| end >= start), "--end must not be before --start {start}");
        let latest = start.checked_add_months(Months::new(YEARS_MAX * 12)).context("--start is too late")?;
        ensure!(until <= latest, "--until must be at most {YEARS_MAX} years after --start: {latest} or before");
        let periods = periods(start, end, billing_day, period, until);
        // There is a limit to their number.
        let reached = periods.last().is_none_or(|last| last.end > until || end == Some(last.end));
        ensure!(reached, "--until is more than {} periods after --start; use an earlier one", periods.len());
        Ok(periods)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        command: ScheduleCommand,
    }

    /// What a command line, without `--`, prints as JSON; or why it is refused.
    fn json(line: &str) -> Result<String, String> {
        let words = line.split_whitespace().map(str::to_owned);
        let line = Line::try_parse_from(std::iter::once("schedule".to_owned()).chain(words));
        let line = line.map_err(|error| error.to_string())?;
        let periods = line.command.periods().map_err(|error| error.to_string())?;
        Ok(serde_json::to_string(&Periods { periods }).unwrap())
    }

    #[test]
    fn periods_leave_as_json() {
        for (line, expected) in [
            (
                "--start 2026-01-31 --period 1M --until 2026-03-30",
                "2026-01-31 2026-02-28 1.000000000, 2026-02-28 2026-03-31 1.000000000",
            ),
            (
                "--start 2028-01-31 --billing-day 31 --period 1M --until 2028-03-31",
                "2028-01-31 2028-02-29 1.000000000, 2028-02-29 2028-03-31 1.000000000, 2028-03-31 2028-04-30 1.000000000",
            ),
            (
                "--start 2026-03-10 --billing-day 15 --period 1M --until 2026-03-15",
                "2026-03-10 2026-03-15 0.178571429, 2026-03-15 2026-04-15 1.000000000",
            ),
            (
                "--start 2026-03-10 --billing-day 15 --period 3m --until 2026-05-01",
                "2026-03-10 2026-03-15 0.055555556, 2026-03-15 2026-06-15 1.000000000",
            ),
            (
                "--start 2026-03-20 --billing-day 15 --period 1M --until 2026-04-15",
                "2026-03-20 2026-04-15 0.838709677, 2026-04-15 2026-05-15 1.000000000",
            ),
            ("--start 2026-03-20 --billing-day 15 --period 3M --until 2026-06-14", "2026-03-20 2026-06-15 0.945652174"),
            ("--start 2026-03-15 --billing-day 1 --period 1Y --until 2026-03-15", "2026-03-15 2027-03-01 0.961643836"),
            (
                "--start 2026-02-28 --billing-day 30 --period 1M --until 2026-03-30",
                "2026-02-28 2026-03-30 1.000000000, 2026-03-30 2026-04-30 1.000000000",
            ),
            ("--start 2026-12-25 --period 2W --until 2027-01-07", "2026-12-25 2027-01-08 1.000000000"),
            ("--start 2026-12-25 --period 30D --until 2026-12-25", "2026-12-25 2027-01-24 1.000000000"),
            // An end within a period, at its last day, and at once.
            (
                "--start 2026-03-20 --end 2026-05-01 --billing-day 15 --period 1M --until 2027-01-01",
                "2026-03-20 2026-04-15 0.838709677, 2026-04-15 2026-05-01 0.533333333",
            ),
            (
                "--start 2026-03-20 --end 2026-04-15 --billing-day 15 --period 1M --until 2027-01-01",
                "2026-03-20 2026-04-15 0.838709677",
            ),
            (
                "--start 2026-03-20 --end 2026-03-21 --billing-day 15 --period 1M --until 2027-01-01",
                "2026-03-20 2026-03-21 0.032258065",
            ),
            ("--start 2026-03-20 --end 2026-03-20 --period 1M --until 2027-01-01", ""),
            ("--start 2026-03-20 --period 1M --until 2026-03-19", ""),
        ] {
            let periods = expected.split(", ").filter(|period| !period.is_empty()).map(|period| {
                let [start, end, fraction] = period.split(' ').collect::<Vec<_>>().try_into().unwrap();
                format!(r#"{{"start":"{start}","end":"{end}","fraction":"{fraction}"}}"#)
            });
            let expected = format!(r#"{{"periods":[{}]}}"#, periods.collect::<Vec<_>>().join(","));
            assert_eq!(json(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_makes_no_schedule_is_refused() {
        for (line, complaint) in [
            ("--start 2026-03-20 --period 0M --until 2026-12-01", "--period must not be 0"),
            ("--start 2026-03-20 --period soon --until 2026-12-01", "a term is a number"),
            ("--start 2026-03-20 --billing-day 0 --period 1M --until 2026-12-01", "a billing day is"),
            ("--start 2026-03-20 --billing-day 32 --period 1M --until 2026-12-01", "a billing day is"),
            ("--start 2026-03-20 --billing-day 15 --period 2W --until 2026-12-01", "no fixed day of the month"),
            ("--start 2026-03-20 --billing-day 15 --period 30D --until 2026-12-01", "no fixed day of the month"),
            ("--start 2026-03-20 --end 2026-03-19 --period 1M --until 2026-12-01", "--end must not be before --start"),
            ("--start 2026-03-20 --period 1M --until 2226-03-21", "at most 200 years after --start: 2226-03-20"),
            ("--start 2026-03-20 --period 1D --until 2126-03-20", "periods after --start; use an earlier one"),
            ("--start 2026-02-30 --period 1M --until 2026-12-01", "must be a day like 2026-01-31"),
            ("--start 2026-03-20 --period 1M", "--until"),
        ] {
            let error = json(line).unwrap_err();
            assert!(error.contains(complaint), "{line}: {error}");
        }
        let century = json("--start 2026-03-20 --period 1M --until 2226-03-20").unwrap();
        assert_eq!(century.matches("start").count(), 2401);
    }
}
