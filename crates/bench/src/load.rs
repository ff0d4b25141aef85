//! Load: a closed loop, in which each of so many workers begins its next operation when the last has ended, or an open one,
//! in which operations begin at a rate, however long they take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::JoinSet;

use crate::measure::{Figure, Sample, figure};

/// What a report shows of a load, with the processor time of everybody who took part.
pub(crate) const LOAD_FIGURES: &[Figure] = &[
    figure("operations_per_second", "per second", 0),
    figure("p50_ms", "p50 ms", 2),
    figure("p99_ms", "p99 ms", 2),
    figure("cpu_client", "CPU client", 3),
    figure("cpu_broker", "broker", 3),
    figure("cpu_postgresql", "PostgreSQL", 3),
    figure("cpu_server", "server", 3),
];

/// Operations that were done, and how long they took.
#[derive(Debug)]
pub(crate) struct Load {
    operations: usize,
    /// Of each; none where they were done together.
    latencies: Vec<Duration>,
    elapsed: Duration,
    /// Figures that somebody else took of these operations.
    told: Vec<(&'static str, f64)>,
}

/// Which operation of a load this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    worker: usize,
    round: usize,
    workers: usize,
}

impl Turn {
    /// Shares `count` things among the workers: two of them never have the same one at once, where there are enough.
    pub(crate) fn pick(self, count: usize) -> usize {
        (self.worker + self.round * self.workers) % count.max(1)
    }
}

impl Load {
    /// Operations that took so long each, one after the other.
    pub(crate) fn one_by_one(latencies: Vec<Duration>) -> Self {
        Self { operations: latencies.len(), elapsed: latencies.iter().sum(), latencies, told: Vec::new() }
    }

    /// So many operations in so much time, of which none has a time of its own.
    pub(crate) fn together(operations: usize, elapsed: Duration) -> Self {
        Self { operations, latencies: Vec::new(), elapsed, told: Vec::new() }
    }

    /// The same with a figure of its operations that somebody else has taken.
    #[must_use]
    pub(crate) fn told(mut self, figure: &'static str, value: f64) -> Self {
        self.told.push((figure, value));
        self
    }

    /// How many operations were done.
    pub(crate) fn operations(&self) -> usize {
        self.operations
    }

    /// The figures of this load: its rate and the times of its operations.
    pub(crate) fn into_sample(mut self) -> Sample {
        self.latencies.sort_unstable();
        let operations = count(self.operations);
        let mut sample = Sample::default()
            .with("operations", operations)
            .with("seconds", self.elapsed.as_secs_f64())
            .with("operations_per_second", operations / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE));
        for (figure, percent) in [("p50_ms", 50), ("p99_ms", 99), ("most_ms", 100)] {
            let index = self.latencies.len().saturating_sub(1) * percent / 100;
            if let Some(latency) = self.latencies.get(index) {
                sample = sample.with(figure, latency.as_secs_f64() * 1e3);
            }
        }
        self.told.into_iter().fold(sample, |sample, (figure, value)| sample.with(figure, value))
    }
}

/// A number of things as a figure.
pub(crate) fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

/// Runs `operation` on `workers` at once for `duration`, then lets those under way end. The first failure ends it.
pub(crate) async fn closed_loop<O, F>(workers: usize, duration: Duration, operation: O) -> Result<Load>
where
    O: Fn(Turn) -> F + Send + Sync + 'static,
    F: Future<Output = Result<()>> + Send + 'static,
{
    let operation = Arc::new(operation);
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for worker in 0..workers {
        let operation = Arc::clone(&operation);
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while started.elapsed() < duration {
                let begun = Instant::now();
                operation(Turn { worker, round: latencies.len(), workers }).await?;
                latencies.push(begun.elapsed());
            }
            anyhow::Ok(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        latencies.extend(ended.context("a worker of the load panicked")??);
    }
    Ok(Load { operations: latencies.len(), elapsed: started.elapsed(), latencies, told: Vec::new() })
}

/// Begins `operation` so often per second for `duration`, then lets those under way end. The first failure ends it.
///
/// Each counts from the moment at which it was to begin: one that begins late, because the machine was busy, waited.
pub(crate) async fn open_loop<O, F>(per_second: f64, duration: Duration, operation: O) -> Result<Load>
where
    O: Fn(Turn) -> F + Send + Sync + 'static,
    F: Future<Output = Result<()>> + Send + 'static,
{
    let (interval, started) = (Duration::from_secs_f64(1.0 / per_second.max(1.0)), Instant::now());
    let (mut tasks, mut next, mut worker) = (JoinSet::new(), started, 0);
    while next.duration_since(started) < duration {
        tokio::time::sleep_until(next.into()).await;
        let (begun, done) = (next, operation(Turn { worker, round: 0, workers: 0 }));
        tasks.spawn(async move {
            done.await?;
            anyhow::Ok(begun.elapsed())
        });
        next += interval;
        worker += 1;
    }
    let mut latencies = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        latencies.push(ended.context("an operation of the load panicked")??);
    }
    Ok(Load { operations: latencies.len(), elapsed: started.elapsed(), latencies, told: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_rate_come_from_all_operations() {
        let latencies = (1..=101).rev().map(Duration::from_millis).collect();
        let sample =
            Load { operations: 101, latencies, elapsed: Duration::from_secs(2), told: Vec::new() }.into_sample();
        for (figure, value) in
            [("operations", 101.0), ("operations_per_second", 50.5), ("p50_ms", 51.0), ("p99_ms", 100.0)]
        {
            assert!((sample.get(figure).expect(figure) - value).abs() < 1e-9, "{figure}: {sample:?}");
        }
    }

    #[test]
    fn workers_have_different_things_at_once() {
        let picked = |round| (0..4).map(|worker| Turn { worker, round, workers: 4 }.pick(8)).collect::<Vec<_>>();
        assert_eq!([picked(0), picked(1), picked(2)], [[0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 2, 3]]);
    }

    #[tokio::test]
    async fn an_open_loop_waits_for_nobody() {
        let load = open_loop(200.0, Duration::from_millis(100), |_| async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok(())
        });
        let load = load.await.expect("a load");
        assert_eq!(load.operations(), 20, "none waits for the ones before");
        assert!(load.latencies.iter().all(|latency| *latency >= Duration::from_millis(300)));
    }

    #[tokio::test]
    async fn a_failure_ends_the_load() {
        let failing = closed_loop(2, Duration::from_mins(1), |_| async { anyhow::bail!("no") });
        assert_eq!(failing.await.expect_err("it fails").to_string(), "no");
    }
}
