//! What is left of a benchmark: `<measure>.json` with every round, `<measure>.svg`, and `README.md` with the tables.

mod chart;
mod table;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::measure::{Comparison, Effort, Figure, Group, Measure, Sample, Variant};
use crate::statistics::Spread;

/// All rounds of one measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) measure: String,
    pub(crate) effort: Effort,
    pub(crate) machine: Machine,
    /// Before and after.
    pub(crate) load_average: [String; 2],
    pub(crate) groups: Vec<GroupResult>,
}

/// All rounds of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct GroupResult {
    pub(crate) name: String,
    pub(crate) comparison: Comparison,
    pub(crate) variants: Vec<VariantResult>,
}

/// All rounds of one variant, in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct VariantResult {
    pub(crate) name: String,
    pub(crate) samples: Vec<Sample>,
}

impl VariantResult {
    fn spread(&self, figure: &Figure) -> Option<Spread> {
        Spread::of(self.samples.iter().filter_map(|sample| sample.get(figure.name)))
    }
}

impl GroupResult {
    /// Before the first round.
    pub(crate) fn empty(group: &Group) -> Self {
        let variant =
            |variant: &Arc<dyn Variant>| VariantResult { name: variant.name().to_owned(), samples: Vec::new() };
        Self {
            name: group.name.clone(),
            comparison: group.comparison,
            variants: group.variants.iter().map(variant).collect(),
        }
    }

    /// What a figure of a variant is beside the first one's, round by round, in the way of [`Comparison`]; `None` for
    /// the first one itself.
    fn ratio(&self, variant: &VariantResult, figure: &Figure) -> Option<Spread> {
        let first = self.variants.first().filter(|first| first.name != variant.name)?;
        let (upper, lower) = match self.comparison {
            Comparison::None => return None,
            Comparison::WithFloor => (variant, first),
            Comparison::OfFirst => (first, variant),
        };
        let rounds = upper.samples.iter().zip(&lower.samples);
        Spread::of(rounds.filter_map(|(upper, lower)| Some(upper.get(figure.name)? / lower.get(figure.name)?)))
    }

    /// The heading of the ratios' column.
    fn ratio_title(&self) -> Option<&'static str> {
        match self.comparison {
            Comparison::None => None,
            Comparison::WithFloor => Some("× floor"),
            Comparison::OfFirst => Some("first ÷ this"),
        }
    }
}

/// Writes what one measure came to.
pub(crate) fn write(dir: &Path, measure: &dyn Measure, results: &Results) -> Result<()> {
    write_file(&dir.join(format!("{}.json", measure.name())), &serde_json::to_string_pretty(results)?)?;
    write_file(&dir.join(format!("{}.svg", measure.name())), &chart::render(measure, results))
}

/// Writes `README.md` about all measures whose results lie in `dir`, and returns its text.
pub(crate) fn write_summary(dir: &Path, measures: &[Box<dyn Measure>]) -> Result<String> {
    let mut text = include_str!("report/head.md").to_owned();
    for measure in measures {
        if let Some(results) = read(&dir.join(format!("{}.json", measure.name())))? {
            text.push_str(&table::section(measure.as_ref(), &results));
        }
    }
    write_file(&dir.join("README.md"), &text)?;
    Ok(text)
}

/// The results of an earlier run; `None` where there are none.
fn read(path: &Path) -> Result<Option<Results>> {
    let what = || format!("reading {}", path.display());
    match fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).map(Some).with_context(what),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(what),
    }
}

fn write_file(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::load::LOAD_FIGURES;

    pub(crate) fn variant(name: &str, rates: &[f64]) -> VariantResult {
        let sample = |rate: &f64| Sample::default().with("operations_per_second", *rate).with("p50_ms", 1.0);
        VariantResult { name: name.to_owned(), samples: rates.iter().map(sample).collect() }
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        for (comparison, expected) in [
            (Comparison::None, None),
            (Comparison::WithFloor, Some((0.5, 0.25, 0.8))),
            (Comparison::OfFirst, Some((2.0, 1.25, 4.0))),
        ] {
            let group = GroupResult {
                name: "1 in flight".to_owned(),
                comparison,
                variants: vec![variant("first", &[100.0, 200.0, 400.0]), variant("other", &[50.0, 160.0, 100.0])],
            };
            let ratio = group.ratio(&group.variants[1], &LOAD_FIGURES[0]);
            assert_eq!(ratio.map(|ratio| (ratio.median, ratio.least, ratio.most)), expected, "{comparison:?}");
            assert_eq!(group.ratio(&group.variants[0], &LOAD_FIGURES[0]), None, "{comparison:?}");
        }
    }
}
