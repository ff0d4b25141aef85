//! What a measure is: groups of variants that do the same job, run side by side.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use test_support::services::Services;

use crate::machine::Machine;

/// How long a benchmark takes, and how sure its figures are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Effort {
    /// A few minutes: shows that everything works, and large differences.
    Quick,
    /// An hour or so, on a machine that does nothing else.
    Full,
}

impl Effort {
    /// How often each variant is run.
    pub(crate) const fn rounds(self) -> usize {
        match self {
            Self::Quick => 3,
            Self::Full => 5,
        }
    }

    /// How long one run of a variant takes where nothing else is said.
    pub(crate) const fn run_time(self) -> Duration {
        match self {
            Self::Quick => Duration::from_secs(3),
            Self::Full => Duration::from_secs(8),
        }
    }

    /// How long each variant runs before anything counts.
    pub(crate) const fn warm_up_time(self) -> Duration {
        match self {
            Self::Quick => Duration::from_millis(500),
            Self::Full => Duration::from_secs(2),
        }
    }
}

/// What all measures work with.
pub(crate) struct Setting {
    pub(crate) services: Services,
    /// The program that is measured.
    pub(crate) purser_binary: PathBuf,
    pub(crate) effort: Effort,
    pub(crate) machine: Machine,
}

/// Something about Purser that is measured; one file in `measures/` each.
#[async_trait]
pub(crate) trait Measure: Send + Sync {
    /// Names its files and its part of the report: `query`.
    fn name(&self) -> &'static str;

    /// What is done, and what the floor is, as Markdown.
    fn about(&self) -> &'static str;

    /// What the report shows, the most important figure first: that one is compared and drawn.
    fn figures(&self) -> &'static [Figure];

    /// Makes everything that the variants need. It is gone when the groups are dropped.
    async fn prepare(&self, setting: &Setting) -> Result<Vec<Group>>;
}

/// Variants that are compared with each other.
pub(crate) struct Group {
    /// What they have in common: `16 in flight`.
    pub(crate) name: String,
    /// How many operations are under way at once.
    pub(crate) in_flight: usize,
    pub(crate) comparison: Comparison,
    pub(crate) variants: Vec<Arc<dyn Variant>>,
}

/// Which ratios a group's variants are shown with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Comparison {
    /// None: each does something of its own.
    None,
    /// Each as a part of the first, which is the floor.
    WithFloor,
    /// The first as a multiple of each other one.
    OfFirst,
}

/// One way of doing a group's job.
#[async_trait]
pub(crate) trait Variant: Send + Sync {
    /// `floor`, `purser over AMQP`, …
    fn name(&self) -> &'static str;

    /// Does it for `duration`, with so many operations under way at once.
    async fn run(&self, in_flight: usize, duration: Duration) -> Result<Sample>;
}

/// What one run came to: figures by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Sample(pub(crate) BTreeMap<String, f64>);

impl Sample {
    /// A figure; `None` where this run has none of that name.
    pub(crate) fn get(&self, figure: &str) -> Option<f64> {
        self.0.get(figure).copied()
    }

    /// The same sample with one more figure.
    #[must_use]
    pub(crate) fn with(mut self, figure: impl Into<String>, value: f64) -> Self {
        self.0.insert(figure.into(), value);
        self
    }
}

/// How a figure is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figure {
    /// Its name in a [`Sample`].
    pub(crate) name: &'static str,
    /// The heading of its column, with the unit.
    pub(crate) title: &'static str,
    /// How many digits after the point.
    pub(crate) digits: usize,
}

/// A figure of a measure's list.
pub(crate) const fn figure(name: &'static str, title: &'static str, digits: usize) -> Figure {
    Figure { name, title, digits }
}
