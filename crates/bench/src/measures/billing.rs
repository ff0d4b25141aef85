//! A billing run: services that are all due at once, with a month of usage each.

mod services;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use test_support::deployment::Deployment;
use test_support::{database, world};
use tokio::sync::Mutex;

use crate::copy::Copies;
use crate::helper::Helper;
use crate::load::{Load, count};
use crate::measure::{Comparison, Effort, Figure, Group, Measure, Sample, Setting, Variant, figure};
use crate::processor_time::{self, Processes};
use crate::{stage, store};

const FIGURES: &[Figure] = &[
    figure("operations_per_second", "services per second", 0),
    figure("seconds", "seconds", 2),
    figure("memory_mb", "most memory MB", 1),
    figure("cpu_client", "CPU client", 3),
    figure("cpu_postgresql", "PostgreSQL", 3),
];
const MEMORY_INTERVAL: Duration = Duration::from_millis(20);
const MB: f64 = 1e6;
/// What the floor reads: the usage of all that are due, added up.
const READ: &str = "SELECT s.s3uid, sum(s.byte_seconds), sum(t.bytes_in), sum(t.bytes_out)
    FROM metering.storage_days s JOIN metering.traffic_days t USING (s3uid, day)
    JOIN billing.services b USING (s3uid) GROUP BY s.s3uid";

pub(super) struct Billing;

#[async_trait]
impl Measure for Billing {
    fn name(&self) -> &'static str {
        "billing"
    }

    fn about(&self) -> &'static str {
        "`purser billing run` from its start to its end: so many services, each of a customer of its own, whose second \
         period begins, with thirty days of usage; each gets an invoice of three lines (base fee, storage and traffic beyond \
         what is included). Floor: one SELECT that adds up the same usage by service, and COPY of the same documents, \
         lines, receivables, ledger rows, history entries and outbox rows into tables with the same indexes, in one transaction."
    }

    fn figures(&self) -> &'static [Figure] {
        FIGURES
    }

    async fn prepare(&self, setting: &Setting) -> Result<Vec<Group>> {
        let dir = tempfile::tempdir()?;
        let (store, services) = store::start(&setting.services).await?;
        let deployment = stage::deployment(setting, &services, &dir).await?;
        world::seed(&deployment).await?;
        let connection = PgConnection::connect(&database::url(&services, deployment.name())?).await?;
        let home = Arc::new(Home {
            deployment,
            connection: Mutex::new(connection),
            processes: setting.machine.processes(),
            _store: store,
            _dir: dir,
        });
        let sizes: &[usize] = match setting.effort {
            Effort::Quick => &[1_000, 10_000],
            Effort::Full => &[1_000, 10_000, 100_000],
        };
        let mut groups = Vec::new();
        for size in sizes {
            // This run warms up as well.
            home.fresh_services(*size).await?;
            home.run().await?;
            let copies = home.outcome(*size).await?;
            let (floor, purser) = (Arc::clone(&home), Arc::clone(&home));
            groups.push(Group {
                name: format!("{size} services"),
                in_flight: *size,
                comparison: Comparison::WithFloor,
                variants: vec![Arc::new(Floor { home: floor, copies }), Arc::new(Purser { home: purser })],
            });
        }
        Ok(groups)
    }
}

/// A deployment in which no role runs.
struct Home {
    deployment: Deployment,
    connection: Mutex<PgConnection>,
    processes: Processes,
    _store: Helper,
    _dir: tempfile::TempDir,
}

impl Home {
    /// Has so many services due, and no usage but theirs.
    async fn fresh_services(&self, size: usize) -> Result<()> {
        let seed = services::seed(size);
        let mut connection = self.connection.lock().await;
        sqlx::raw_sql(AssertSqlSafe(seed)).execute(&mut *connection).await.context("making services")?;
        Ok(())
    }

    /// What the last run wrote for so many services.
    async fn outcome(&self, size: usize) -> Result<Copies> {
        let mut connection = self.connection.lock().await;
        let copies = Copies::take(&mut connection, &services::outcome(size)).await?;
        ensure!(copies.rows() > size * 8, "a run for {size} services has written {} rows only", copies.rows());
        Ok(copies)
    }

    /// Runs it to its end; returns how long it took, and the most memory that it had, in bytes.
    async fn run(&self) -> Result<(Duration, u64)> {
        let started = Instant::now();
        let child = self.deployment.start_purser(&["billing", "run"])?;
        let process = child.id().context("a child that runs has an id")?;
        let (mut most, mut end) = (0, pin!(child.wait_with_output()));
        let output = loop {
            tokio::select! {
                output = &mut end => break output?,
                // One that ends just now has none any more.
                () = tokio::time::sleep(MEMORY_INTERVAL) => {
                    most = most.max(processor_time::most_memory(process).unwrap_or_default());
                }
            }
        };
        let took = started.elapsed();
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`purser billing run` ended with {}:\n{errors}", output.status);
        let left = self.deployment.sql(services::DUE).await?;
        ensure!(left == "0", "{left} services are still due");
        Ok((took, most))
    }
}

struct Floor {
    home: Arc<Home>,
    copies: Copies,
}

#[async_trait]
impl Variant for Floor {
    fn name(&self) -> &'static str {
        "floor"
    }

    async fn run(&self, in_flight: usize, _duration: Duration) -> Result<Sample> {
        let mut connection = self.home.connection.lock().await;
        self.copies.clear(&mut connection).await?;
        let load = async {
            let started = Instant::now();
            let mut transaction = connection.begin().await?;
            sqlx::query(READ).fetch_all(&mut *transaction).await?;
            self.copies.write(&mut transaction).await?;
            transaction.commit().await?;
            anyhow::Ok(Load::together(in_flight, started.elapsed()))
        };
        self.home.processes.watch(load).await
    }
}

struct Purser {
    home: Arc<Home>,
}

#[async_trait]
impl Variant for Purser {
    fn name(&self) -> &'static str {
        "purser"
    }

    async fn run(&self, in_flight: usize, _duration: Duration) -> Result<Sample> {
        self.home.fresh_services(in_flight).await?;
        let mut memory = 0;
        let load = async {
            let (took, most) = self.home.run().await?;
            memory = most;
            anyhow::Ok(Load::together(in_flight, took))
        };
        let sample = self.home.processes.watch(load).await?;
        Ok(sample.with("memory_mb", count(usize::try_from(memory)?) / MB))
    }
}
