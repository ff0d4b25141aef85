//! Runs a measure: all variants of a group in each round, each round beginning with another one.

use anyhow::{Context, Result};

use crate::machine::Machine;
use crate::measure::{Group, Measure, Sample, Setting};
use crate::report::{GroupResult, Results};

/// Runs all groups of a measure; progress goes to standard error.
pub(crate) async fn run(measure: &dyn Measure, setting: &Setting) -> Result<Results> {
    eprintln!("== {}: preparing", measure.name());
    let load_before = Machine::load_average();
    let groups = measure.prepare(setting).await.with_context(|| format!("preparing {}", measure.name()))?;
    let mut results: Vec<GroupResult> = groups.iter().map(GroupResult::empty).collect();
    for group in &groups {
        for variant in &group.variants {
            let warm_up = variant.run(group.in_flight, setting.effort.warm_up_time()).await;
            warm_up.with_context(|| format!("{}, {}, {}", measure.name(), group.name, variant.name()))?;
        }
    }
    for round in 0..setting.effort.rounds() {
        for (group, result) in groups.iter().zip(&mut results) {
            for index in order(round, group.variants.len()) {
                let sample = run_once(measure, group, index, setting).await?;
                result.variants[index].samples.push(sample);
            }
        }
        eprintln!("== {}: round {} of {}", measure.name(), round + 1, setting.effort.rounds());
    }
    Ok(Results {
        measure: measure.name().to_owned(),
        effort: setting.effort,
        machine: setting.machine.clone(),
        load_average: [load_before, Machine::load_average()],
        groups: results,
    })
}

/// The first of a round is the second of the one before: nobody always comes after the same one.
fn order(round: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |place| (round + place) % count)
}

async fn run_once(measure: &dyn Measure, group: &Group, index: usize, setting: &Setting) -> Result<Sample> {
    let variant = &group.variants[index];
    let what = || format!("{}, {}, {}", measure.name(), group.name, variant.name());
    let sample = variant.run(group.in_flight, setting.effort.run_time()).await.with_context(what)?;
    let main = measure.figures()[0];
    let value = sample.get(main.name).unwrap_or_default();
    eprintln!("   {}: {value:.*} {}", what(), main.digits, main.title);
    Ok(sample)
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn each_round_begins_with_the_next_variant() {
        let rounds: Vec<Vec<usize>> = (0..4).map(|round| order(round, 3).collect()).collect();
        assert_eq!(rounds, [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);
    }
}
