//! The tables of `README.md`.

use std::fmt::Write;

use super::{GroupResult, Results, VariantResult};
use crate::machine::Machine;
use crate::measure::{Effort, Figure, Measure};
use crate::statistics::Spread;

/// A measure's part of the page.
pub(super) fn section(measure: &dyn Measure, results: &Results) -> String {
    let mut text = format!("## {}\n\n{}\n\n{}\n\n", measure.name(), measure.about().trim(), origin(results));
    for group in &results.groups {
        text.push_str(&table(measure.figures(), group));
    }
    let _ = writeln!(text, "![{0}]({0}.svg)\n", measure.name());
    text
}

/// Where the figures come from, and what may be wrong with them.
fn origin(results: &Results) -> String {
    let Machine { processor, cores, memory_mb, kernel, rabbitmq, postgresql, fsync, purser_binary_bytes, .. } =
        &results.machine;
    let rounds = results.groups.iter().flat_map(|group| &group.variants).map(|variant| variant.samples.len()).max();
    let effort = match results.effort {
        Effort::Quick => "a quick run, good for large differences only",
        Effort::Full => "a full run",
    };
    let [before, after] = &results.load_average;
    format!(
        "{cores} × {processor}, {memory_mb} MB, Linux {kernel}, RabbitMQ {rabbitmq}, PostgreSQL {postgresql} (fsync \
         {fsync}), purser {} MB; {effort} of {} rounds; load average {before} before, {after} after.",
        purser_binary_bytes / 1_000_000,
        rounds.unwrap_or_default(),
    )
}

fn table(figures: &[Figure], group: &GroupResult) -> String {
    let Some((main, others)) = figures.split_first() else { return String::new() };
    let mut titles = vec![group.name.clone(), main.title.to_owned()];
    titles.extend(group.ratio_title().map(str::to_owned));
    titles.extend(others.iter().map(|figure| figure.title.to_owned()));
    let mut text = row(&titles);
    text.push_str(&row(&vec!["---".to_owned(); titles.len()]));
    for variant in &group.variants {
        text.push_str(&row(&cells(main, others, group, variant)));
    }
    text.push('\n');
    text
}

fn cells(main: &Figure, others: &[Figure], group: &GroupResult, variant: &VariantResult) -> Vec<String> {
    let mut cells = vec![variant.name.clone(), shown(variant.spread(main), main.digits)];
    if group.ratio_title().is_some() {
        cells.push(shown(group.ratio(variant, main), 2));
    }
    let medians = others.iter().map(|figure| {
        let spread = variant.spread(figure);
        spread.map_or_else(String::new, |spread| number(spread.median, figure.digits))
    });
    cells.extend(medians);
    cells
}

fn row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// `4,711 (4,000–5,000)`.
fn shown(spread: Option<Spread>, digits: usize) -> String {
    let Some(Spread { median, least, most }) = spread else { return String::new() };
    format!("{} ({}–{})", number(median, digits), number(least, digits), number(most, digits))
}

/// With commas between the thousands.
pub(super) fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut shown = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::super::tests::variant;
    use super::*;
    use crate::measure::{Comparison, figure};

    #[test]
    fn a_table_shows_medians_spreads_and_ratios() {
        let group = GroupResult {
            name: "16 in flight".to_owned(),
            comparison: Comparison::WithFloor,
            variants: vec![variant("floor", &[1000.0, 2000.0, 4000.0]), variant("purser", &[500.0, 500.0, 500.0])],
        };
        let figures = [figure("operations_per_second", "per second", 0), figure("p50_ms", "p50 ms", 2)];
        let expected = "\
| 16 in flight | per second | × floor | p50 ms |
| --- | --- | --- | --- |
| floor | 2,000 (1,000–4,000) |  | 1.00 |
| purser | 500 (500–500) | 0.25 (0.12–0.50) | 1.00 |

";
        assert_eq!(table(&figures, &group), expected);
    }

    #[test]
    fn thousands_are_told_apart() {
        for (value, digits, expected) in
            [(0.5, 2, "0.50"), (999.0, 0, "999"), (1_234.5, 1, "1,234.5"), (1_234_567.0, 0, "1,234,567")]
        {
            assert_eq!(number(value, digits), expected);
        }
    }
}
