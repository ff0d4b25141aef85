//! Where the figures come from.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use test_support::broker::Management;
use test_support::database;
use test_support::services::Services;

use crate::processor_time::Processes;

/// The machine and the versions of what runs on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_mb: u64,
    pub(crate) kernel: String,
    pub(crate) rabbitmq: String,
    pub(crate) postgresql: String,
    /// Whether PostgreSQL waits for the disk, as it must.
    pub(crate) fsync: String,
    pub(crate) purser_binary_bytes: u64,
    /// The broker's process.
    #[serde(skip)]
    pub(crate) broker_process: u32,
    /// PostgreSQL's first process.
    #[serde(skip)]
    pub(crate) postmaster: u32,
}

impl Machine {
    /// Looks around; broker and database must run on this machine.
    pub(crate) async fn look(services: &Services, purser_binary: &Path) -> Result<Self> {
        let broker = Management::new(services)?.node().await?;
        let sql = |sql: &'static str| {
            let services = services.clone();
            async move { tokio::task::spawn_blocking(move || database::psql(&services, "postgres", sql)).await? }
        };
        let postmaster = sql(r"SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)").await?;
        Ok(Self {
            processor: line_of("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mb: memory_mb().unwrap_or_default(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            rabbitmq: broker.version,
            postgresql: sql("SHOW server_version").await?,
            fsync: sql("SHOW fsync").await?,
            purser_binary_bytes: fs::metadata(purser_binary).context("looking at purser")?.len(),
            broker_process: broker.process_id,
            postmaster: postmaster.trim().parse().context("PostgreSQL's process id is a number")?,
        })
    }

    /// The broker's and PostgreSQL's processes, and this one.
    pub(crate) fn processes(&self) -> Processes {
        Processes::new(self.broker_process, self.postmaster)
    }

    /// Of the last minute: more than the benchmark itself needs means that others disturb it.
    pub(crate) fn load_average() -> String {
        let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        text.split_whitespace().next().unwrap_or("unknown").to_owned()
    }
}

fn memory_mb() -> Option<u64> {
    let kibibytes: u64 = line_of("/proc/meminfo", "MemTotal")?.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024 / 1_000_000)
}

/// What stands behind `name` and a colon.
fn line_of(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
