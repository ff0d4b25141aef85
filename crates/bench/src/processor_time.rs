//! Processor time and memory of every process that takes part, from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::load::{Load, count};
use crate::measure::Sample;

/// The figure under which the processes count that answer: Purser's, the floor's, or a peer's.
pub(crate) const SERVER: &str = "cpu_server";
const CLIENT: &str = "cpu_client";

/// Linux counts processor time in these, on every machine that Purser runs on.
const TICKS_PER_SECOND: f64 = 100.0;
/// Work that follows from the operations counts for them: so long is waited for its end at most.
const QUIET_LIMIT: Duration = Duration::from_secs(20);
const QUIET_INTERVAL: Duration = Duration::from_millis(250);
/// In one interval; a process that only waits uses less.
const QUIET_TICKS: u64 = 2;

/// Who takes part: processes by what they are to the measure.
#[derive(Debug, Clone, Default)]
pub(crate) struct Processes {
    /// Each with the figure under which its time counts.
    counted: Vec<(&'static str, Counted)>,
}

#[derive(Debug, Clone)]
enum Counted {
    /// One process with all its threads.
    One(u32),
    /// One process with all its children, also those that have ended.
    Family(u32),
}

/// Processor time used so far, in ticks, by figure.
type Used = BTreeMap<&'static str, u64>;

impl Processes {
    /// The client, which is this very process, the broker, and PostgreSQL's first process with its children.
    pub(crate) fn new(broker: u32, postmaster: u32) -> Self {
        let client = (CLIENT, Counted::One(std::process::id()));
        Self {
            counted: vec![
                client,
                ("cpu_broker", Counted::One(broker)),
                ("cpu_postgresql", Counted::Family(postmaster)),
            ],
        }
    }

    /// The same with one more process, which counts under this figure.
    #[must_use]
    pub(crate) fn with(mut self, figure: &'static str, process: u32) -> Self {
        self.counted.push((figure, Counted::One(process)));
        self
    }

    /// The same with another client than this process.
    #[must_use]
    pub(crate) fn with_client(mut self, process: u32) -> Self {
        self.counted.retain(|(figure, _)| *figure != CLIENT);
        self.with(CLIENT, process)
    }

    /// The same with a server that works with its children.
    #[must_use]
    pub(crate) fn with_server_family(mut self, process: u32) -> Self {
        self.counted.push((SERVER, Counted::Family(process)));
        self
    }

    /// Runs a load, waits until the work that follows from it is done, and adds to its figures the processor time that
    /// each process used for a thousand operations, in seconds.
    pub(crate) async fn watch(&self, load: impl Future<Output = Result<Load>>) -> Result<Sample> {
        let before = self.used()?;
        let load = load.await?;
        self.quiet().await?;
        let after = self.used()?;
        let thousands = count(load.operations().max(1)) / 1e3;
        let mut sample = load.into_sample();
        for (figure, ticks) in after {
            let ticks = ticks.saturating_sub(before.get(figure).copied().unwrap_or_default());
            let seconds = u32::try_from(ticks).map_or(f64::INFINITY, f64::from) / TICKS_PER_SECOND;
            sample = sample.with(figure, seconds / thousands);
        }
        Ok(sample)
    }

    fn used(&self) -> Result<Used> {
        let mut used = Used::new();
        for (figure, counted) in &self.counted {
            *used.entry(*figure).or_default() += match counted {
                Counted::One(process) => Times::of(*process)?.own,
                Counted::Family(process) => family(*process)?,
            };
        }
        Ok(used)
    }

    /// Waits until the server has nothing more to do.
    async fn quiet(&self) -> Result<()> {
        let started = Instant::now();
        let server = || anyhow::Ok(self.used()?.get(SERVER).copied().unwrap_or_default());
        let mut last = server()?;
        while started.elapsed() < QUIET_LIMIT {
            tokio::time::sleep(QUIET_INTERVAL).await;
            let now = server()?;
            if now.saturating_sub(last) < QUIET_TICKS {
                break;
            }
            last = now;
        }
        Ok(())
    }
}

/// A process's parent and processor time, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Times {
    parent: u32,
    own: u64,
    ended_children: u64,
}

impl Times {
    fn of(process: u32) -> Result<Self> {
        let path = format!("/proc/{process}/stat");
        let stat = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        Self::parse(&stat).with_context(|| format!("{path} isn't as expected"))
    }

    fn parse(stat: &str) -> Option<Self> {
        // The name in parentheses may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: ticks(11)? + ticks(12)?,
            ended_children: ticks(13)? + ticks(14)?,
        })
    }
}

/// The most memory that a process has had, in bytes; `None` where it has ended.
pub(crate) fn most_memory(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// The time of a process, of its children that live, and of those that have ended.
fn family(process: u32) -> Result<u64> {
    let first = Times::of(process)?;
    let mut ticks = first.own + first.ended_children;
    for entry in fs::read_dir("/proc").context("reading /proc")? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that ends meanwhile is among the ended ones next time.
        if let Ok(times) = Times::of(id)
            && times.parent == process
        {
            ticks += times.own + times.ended_children;
        }
    }
    Ok(ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_whatever_the_process_is_called() {
        let stat = "4711 (a) b (c) S 42 4711 4711 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 5 0 1 2 3";
        assert_eq!(Times::parse(stat), Some(Times { parent: 42, own: 120, ended_children: 7 }));
        assert_eq!(Times::parse("4711 (a) S"), None);
    }

    #[test]
    fn a_family_has_at_least_its_first_member() {
        let own = std::process::id();
        let before = Times::of(own).expect("this process").own;
        assert!(family(own).expect("this family") >= before);
    }
}
