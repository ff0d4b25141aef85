//! Tables that people and `awk` can read.

use anyhow::Context;
use clap::Args;
use comfy_table::{Row, Table, presets};
use model::{Currency, PlainTime, Timestamp};
use rust_decimal::Decimal;
use serde::Serialize;

/// A table without lines, from its headings and rows.
pub(super) fn plain<R: Into<Row>>(headings: impl Into<Row>, rows: impl IntoIterator<Item = R>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(headings).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// One thing's properties, one a line; those that it doesn't have are left out.
pub(super) fn properties(rows: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.add_rows(
        rows.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| [name.to_owned(), value]),
    );
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// How much of a list is shown.
#[derive(Debug, Args)]
pub(super) struct Limit {
    /// Show so many at most, and say where there are more
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=1_000_000))]
    limit: i64,
}

impl Limit {
    /// How many rows are to be asked for: one more than is shown.
    pub(super) fn rows_max(&self) -> i64 {
        self.limit.saturating_add(1)
    }

    /// Prints a list: as JSON under its name, with whether there is more; or as its rows, and a word on what was left out.
    pub(super) fn print<T: Serialize, const N: usize>(
        &self,
        json: bool,
        (name, mut things): (&str, Vec<T>),
        headings: [&str; N],
        row: impl Fn(&T) -> [String; N],
    ) -> anyhow::Result<()> {
        let limit = usize::try_from(self.limit).context("--limit")?;
        let has_more = things.len() > limit;
        things.truncate(limit);
        if json {
            return print_json(&serde_json::json!({name: things, "has_more": has_more}));
        }
        println!("{}", plain(headings, things.iter().map(row)).trim_fmt());
        if has_more {
            eprintln!("there are more {name} than these {limit}: narrow the choice down, or raise --limit");
        }
        Ok(())
    }
}

/// Prints one JSON document.
pub(super) fn print_json(document: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(document)?);
    Ok(())
}

/// A time as people read it; empty where there is none.
pub(super) fn time(time: impl Into<Option<Timestamp>>) -> String {
    time.into().map_or_else(String::new, |time| PlainTime(time).to_string())
}

/// A value; empty where there is none.
pub(super) fn or_empty<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// An amount or a price without needless zeros, but with as many decimal places as its currency has at least.
pub(super) fn price(price: Decimal, currency: &str) -> String {
    let places = currency.parse().map_or(0, Currency::decimal_places);
    let mut price = price.normalize();
    price.rescale(price.scale().max(places));
    price.to_string()
}

#[cfg(test)]
mod tests {
    use super::price;

    #[test]
    fn prices_have_their_currency_s_decimal_places_or_more() {
        for (given, currency, shown) in
            [("9.8", "EUR", "9.80"), ("0.0050", "EUR", "0.005"), ("1200.00", "JPY", "1200"), ("0", "EUR", "0.00")]
        {
            assert_eq!(price(given.parse().unwrap(), currency), shown, "{given} {currency}");
        }
    }
}
