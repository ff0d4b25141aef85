//! Rounds of reading the store's usage log, when every bucket has had traffic, and when one in a hundred has.

mod real_store;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use model::{Clock, SystemClock};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use test_support::deployment::{Deployment, Process};
use test_support::{database, http};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::copy::Copies;
use crate::helper::Helper;
use crate::load::Load;
use crate::measure::{Comparison, Effort, Figure, Group, Measure, Sample, Setting, Variant, figure};
use crate::processor_time::{Processes, SERVER};
use crate::{stage, store};

const FIGURES: &[Figure] = &[
    figure("operations_per_second", "rows per second", 0),
    figure("seconds", "seconds", 3),
    figure("cpu_postgresql", "PostgreSQL", 3),
    figure("cpu_server", "server", 3),
    figure("cpu_store", "store", 3),
];
const BUCKETS_OF_ACCOUNT: usize = 10;
/// A bucket's traffic in an hour: what was read, what was written.
const RECORDS_OF_BUCKET: usize = 2;
const ROUND_LIMIT: Duration = Duration::from_mins(10);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How long each round was, and how many there were.
const ROUNDS: &str = "purser_usage_log_round_seconds";
const LOCATION: &str = r#"{location="NL""#;

pub(super) struct Metering;

#[async_trait]
impl Measure for Metering {
    fn name(&self) -> &'static str {
        "metering"
    }

    fn about(&self) -> &'static str {
        "A round of the role `metering`: it asks for the running hour of the usage log of a whole location (ten buckets for \
         each account, one upload and one download of each) and writes usage records and the accounts' days. *Full*: \
         every bucket has had traffic. *1 % more*: every hundredth has had more since; the store still answers with the whole \
         hour, because it can't be asked for what is new. *1 % busy*: an hour in which no other bucket had any. Times are the \
         role's own, from asking to the last commit. Floor: COPY of the same rows into tables with the same indexes, in one \
         transaction. *On radosgw*: each of 1,000 buckets has had an upload; the time is that of all rounds until all were read, \
         one a second, most of it radosgw's own."
    }

    fn figures(&self) -> &'static [Figure] {
        FIGURES
    }

    async fn prepare(&self, setting: &Setting) -> Result<Vec<Group>> {
        let sizes: &[usize] = match setting.effort {
            Effort::Quick => &[1_000, 10_000],
            Effort::Full => &[1_000, 10_000, 100_000],
        };
        let mut groups = Vec::new();
        for buckets in sizes {
            let (home, quiet) = (Home::start(setting, *buckets).await?, Home::start(setting, *buckets).await?);
            home.round(1, buckets * RECORDS_OF_BUCKET).await?;
            quiet.round(100, buckets.div_ceil(100) * RECORDS_OF_BUCKET).await?;
            let copies = {
                let mut connection = home.connection.lock().await;
                let all = || "true".to_owned();
                let tables = [("metering.usage_records", all()), ("metering.traffic_days", all())];
                Copies::take(&mut connection, &tables).await?
            };
            let home = Arc::new(home);
            let of = |home: &Arc<Home>| Arc::clone(home);
            groups.push(Group {
                name: format!("{buckets} buckets"),
                in_flight: *buckets,
                comparison: Comparison::WithFloor,
                variants: vec![
                    Arc::new(Floor { home: of(&home), copies }),
                    Arc::new(Full { home: of(&home) }),
                    Arc::new(OnePercent { name: "purser, 1 % more", home }),
                    Arc::new(OnePercent { name: "purser, 1 % busy", home: Arc::new(quiet) }),
                ],
            });
        }
        groups.push(real_store::group(setting).await?);
        Ok(groups)
    }
}

/// A deployment in which metering alone runs, and stands still between measurements, and as many accounts as the buckets need.
struct Home {
    connection: Mutex<PgConnection>,
    metering: Process,
    store: Helper,
    processes: Processes,
    _deployment: Deployment,
    _dir: tempfile::TempDir,
}

impl Home {
    async fn start(setting: &Setting, buckets: usize) -> Result<Self> {
        let (dir, accounts) = (tempfile::tempdir()?, buckets / BUCKETS_OF_ACCOUNT);
        let (store, services) = store::start(&setting.services).await?;
        let deployment = stage::deployment(setting, &services, &dir).await?;
        let mut connection = PgConnection::connect(&database::url(&services, deployment.name())?).await?;
        sqlx::raw_sql(AssertSqlSafe(seed(accounts))).execute(&mut connection).await.context("making accounts")?;
        let url = format!("http://{}/populate?users={accounts}&buckets={BUCKETS_OF_ACCOUNT}", store.address());
        http::client()?.post(url).send().await?.error_for_status()?;
        // So often that a measurement doesn't take long, so seldom that there is a round at a time.
        let interval = [("PURSER__METERING__TRAFFIC_INTERVAL_SECONDS", "2")];
        let metering = deployment.spawn("metering", &interval).await?;
        let processes = setting.machine.processes().with(SERVER, metering.id()).with("cpu_store", store.process());
        let connection = Mutex::new(connection);
        Ok(Self { connection, metering, store, processes, _deployment: deployment, _dir: dir })
    }

    /// Has traffic in every so-manieth bucket, and waits until so many records of it are written; returns how many seconds
    /// the round took that has done so.
    async fn round(&self, every: usize, records: usize) -> Result<f64> {
        self.metering.resume()?;
        let seconds = self.round_while_running(every, records).await;
        self.metering.pause()?;
        seconds
    }

    async fn round_while_running(&self, every: usize, records: usize) -> Result<f64> {
        let (begun, deadline) = (SystemClock.now(), Instant::now() + ROUND_LIMIT);
        // Right after a round there is time enough for all to be there before the next one.
        let (_, count) = rounds(&self.metering).await?;
        let mut before = self.rounds_after(count).await?;
        let url = format!("http://{}/traffic?every={every}", self.store.address());
        http::client()?.post(url).send().await?.error_for_status()?;
        loop {
            let after = self.rounds_after(before.1).await?;
            let written: i64 = sqlx::query_scalar("SELECT count(*) FROM metering.usage_records WHERE measured_at > $1")
                .bind(begun)
                .fetch_one(&mut *self.connection.lock().await)
                .await?;
            if usize::try_from(written)? == records {
                return Ok(after.0 - before.0);
            }
            ensure!(Instant::now() < deadline, "{written} of {records} usage records were written");
            before = after;
        }
    }

    /// How many seconds all rounds took, and how many there were, once there are more than `count`.
    async fn rounds_after(&self, count: u64) -> Result<(f64, u64)> {
        let deadline = Instant::now() + ROUND_LIMIT;
        loop {
            let rounds = rounds(&self.metering).await?;
            if rounds.1 > count {
                return Ok(rounds);
            }
            ensure!(Instant::now() < deadline, "no round ends:\n{}", self.metering.log());
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// A round, with the rows that it must have written.
    async fn measured(&self, every: usize, buckets: usize) -> Result<Load> {
        let records = buckets.div_ceil(every) * RECORDS_OF_BUCKET;
        let seconds = self.round(every, records).await?;
        let days = (buckets.div_ceil(every)).min(buckets / BUCKETS_OF_ACCOUNT);
        Ok(Load::together(records + days, Duration::from_secs_f64(seconds)))
    }
}

/// How many seconds all rounds of the location took so far, and how many there were.
async fn rounds(metering: &Process) -> Result<(f64, u64)> {
    let metrics = metering.metrics().await?;
    let value = |suffix: &str| {
        let line = metrics.lines().find(|line| line.starts_with(&format!("{ROUNDS}_{suffix}{LOCATION}")))?;
        line.rsplit(' ').next()
    };
    let seconds = value("sum").map_or(Ok(0.0), str::parse)?;
    Ok((seconds, value("count").map_or(Ok(0), str::parse)?))
}

/// SQL that adds so many accounts, as the provisioner would have made them.
fn seed(accounts: usize) -> String {
    format!(
        "INSERT INTO provisioner.accounts (s3uid, customer_id, order_id, location, state, quota_bytes, access_key,
                                           sealed_secret_key, created_at)
             SELECT lpad(to_hex(n), 32, '0'), 1, gen_random_uuid(), 'NL', 'active', 1000000000000, 'key', '',
                    date_trunc('hour', now()) FROM generate_series(0, {accounts} - 1) n;
         ANALYZE provisioner.accounts"
    )
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

    async fn run(&self, _in_flight: usize, _duration: Duration) -> Result<Sample> {
        let mut connection = self.home.connection.lock().await;
        self.copies.clear(&mut connection).await?;
        let load = async {
            let started = Instant::now();
            let mut transaction = connection.begin().await?;
            self.copies.write(&mut transaction).await?;
            transaction.commit().await?;
            anyhow::Ok(Load::together(self.copies.rows(), started.elapsed()))
        };
        self.home.processes.watch(load).await
    }
}

struct Full {
    home: Arc<Home>,
}

#[async_trait]
impl Variant for Full {
    fn name(&self) -> &'static str {
        "purser, full"
    }

    async fn run(&self, in_flight: usize, _duration: Duration) -> Result<Sample> {
        let empty = "TRUNCATE metering.usage_records, metering.traffic_days";
        sqlx::raw_sql(empty).execute(&mut *self.home.connection.lock().await).await?;
        self.home.processes.watch(self.home.measured(1, in_flight)).await
    }
}

struct OnePercent {
    name: &'static str,
    home: Arc<Home>,
}

#[async_trait]
impl Variant for OnePercent {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn run(&self, in_flight: usize, _duration: Duration) -> Result<Sample> {
        self.home.processes.watch(self.home.measured(100, in_flight)).await
    }
}
