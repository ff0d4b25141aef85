//! The roles' databases: logins, migrations, clock, room in the history.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use chrono::TimeDelta;
use messages::RoleName;
use model::{Clock, SystemClock, Timestamp};
use runtime::config::Config;
use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tokio::time::timeout;

use super::Check;

const PATIENCE: Duration = Duration::from_secs(10);
/// Deadlines, leases and periods come from the roles' clocks, usage from RGW's, and entries are found by their moment.
const CLOCK_WARNING: TimeDelta = TimeDelta::seconds(5);
const CLOCK_FAILED: TimeDelta = TimeDelta::seconds(60);

/// Whether the roles that have a section can log in, find their tables as this version needs them, and agree on the time.
pub(super) async fn checks(config: &Config) -> Vec<Check> {
    let journal = Some(&history::JOURNAL_MIGRATOR);
    let roles = [
        (RoleName::Gateway, "auth", None, &gateway::MIGRATOR),
        (RoleName::Provisioner, "provisioner", journal, &provisioner::MIGRATOR),
        (RoleName::Metering, "metering", journal, &metering::MIGRATOR),
        (RoleName::Billing, "billing", journal, &billing::MIGRATOR),
    ];
    let mut checks = Vec::new();
    for (role, schema, journal, own) in roles {
        let Some(url) = config.database_url_of(role) else { continue };
        match login(url, schema).await {
            Ok(mut connection) => {
                checks.push(Check::ok(format!("database.{role}"), "logs in"));
                checks.push(clock(role, &mut connection).await);
            }
            Err(error) => {
                let remedy = format!("check {role}.database_url, then run `purser migrate`");
                checks.push(Check::failed(format!("database.{role}"), format!("{error:#}"), remedy));
            }
        }
        if let Some(owner) = &config.database {
            checks.push(migrations(role, &owner.url, schema, &[journal, Some(own)]).await);
        }
    }
    if let Some(owner) = &config.database {
        checks.push(partitions(&owner.url).await);
    }
    checks
}

async fn login(url: &SecretString, schema: &str) -> anyhow::Result<PgConnection> {
    let options = PgConnectOptions::from_str(url.expose_secret()).context("the URL can't be read")?;
    let connect = options.application_name("purser-doctor").options([("search_path", schema)]);
    let connected = timeout(PATIENCE, connect.connect()).await;
    Ok(connected.with_context(|| format!("no connection within {} s", PATIENCE.as_secs()))??)
}

async fn clock(role: RoleName, connection: &mut PgConnection) -> Check {
    let name = format!("database.{role}.clock");
    let before = SystemClock.now();
    let asked = sqlx::query_scalar::<_, Timestamp>("SELECT clock_timestamp()").fetch_one(connection).await;
    let there = match asked {
        Ok(there) => there,
        Err(error) => return Check::failed(name, error.to_string(), "see the database's log"),
    };
    // It was asked some time between the two.
    let ahead = if there < before { there - before } else { (there - SystemClock.now()).max(TimeDelta::zero()) };
    let seen = format!("{} ms ahead of this machine's", ahead.num_milliseconds());
    let remedy = "synchronise both clocks (chrony, systemd-timesyncd)";
    match ahead.abs() {
        off if off >= CLOCK_FAILED => Check::failed(name, seen, remedy),
        off if off >= CLOCK_WARNING => Check::warning(name, seen, remedy),
        _ => Check::ok(name, seen),
    }
}

/// Whether the schema is as this binary needs it.
async fn migrations(role: RoleName, owner: &SecretString, schema: &str, sets: &[Option<&Migrator>]) -> Check {
    let name = format!("database.{role}.migrations");
    let (mut pending, mut unknown) = (0, 0);
    for set in sets.iter().flatten() {
        let known: BTreeSet<i64> = set.iter().map(|migration| migration.version).collect();
        let done = match done(owner, schema, &set.table_name).await {
            Ok(done) => done,
            Err(error) => return Check::failed(name, format!("{error:#}"), "run `purser migrate`"),
        };
        pending += known.difference(&done).count();
        unknown += done.difference(&known).count();
    }
    match (pending, unknown) {
        (0, 0) => Check::ok(name, "all done"),
        (0, _) => Check::warning(
            name,
            format!("{unknown} of a newer version are done"),
            "replace this binary by the newer one; both work meanwhile",
        ),
        _ => Check::failed(name, format!("{pending} are not done yet"), "run `purser migrate`, also while roles work"),
    }
}

async fn done(owner: &SecretString, schema: &str, table: &str) -> anyhow::Result<BTreeSet<i64>> {
    let mut connection = login(owner, schema).await?;
    let statement = format!("SELECT version FROM {schema}.{table} WHERE success");
    let versions = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(statement)).fetch_all(&mut connection).await?;
    Ok(versions.into_iter().collect())
}

/// Whether the history's next month has a partition of its own.
async fn partitions(owner: &SecretString) -> Check {
    const NAME: &str = "database.history";
    let asked = async {
        let mut connection = login(owner, "history").await?;
        let next =
            "SELECT to_regclass('history.entries_' || to_char(now() + interval '1 month', 'YYYY_MM')) IS NOT NULL";
        Ok::<_, anyhow::Error>(sqlx::query_scalar::<_, bool>(next).fetch_one(&mut connection).await?)
    };
    let remedy = "run `purser migrate`: it makes the partitions of the next months";
    match asked.await {
        Ok(true) => Check::ok(NAME, "the next month has its partition"),
        Ok(false) => Check::warning(NAME, "the next month has no partition of its own", remedy),
        Err(error) => Check::failed(NAME, format!("{error:#}"), remedy),
    }
}
