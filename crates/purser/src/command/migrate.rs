//! `purser migrate`: roles, schemas, tables and topology, brought to this version's state.

use std::str::FromStr;

use anyhow::Context;
use bus::{Bus, Topology};
use chrono::Datelike;
use clap::Args;
use model::{Clock, SystemClock};
use runtime::config::Config;
use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::{bus_config, owner_url, progress, table};

/// Run by the owner, each time; every statement in it may be repeated.
const BOOTSTRAP: &str = include_str!("../../migrations/bootstrap.sql");
/// Run by the owner after all schemas' own migrations; every statement in it may be repeated.
const VIEWS: &str = include_str!("../../migrations/views.sql");
/// How many months of the history have partitions of their own ahead of time.
const MONTHS_AHEAD: i32 = 24;
/// Workers that use a table wait behind the migration that waits for it: rather a migration that must be run again.
const LOCK_TIMEOUT: &str = "SET lock_timeout = '10s'";

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// Print as JSON whether the broker was brought to this version's state, too
    #[arg(long)]
    json: bool,
}

impl Migrate {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let spinner = progress::spinner("migrating");
        let migrated = migrate_database(config).await;
        spinner.finish_and_clear();
        migrated?;
        if let Some(url) = &config.amqp.url {
            let bus = Bus::connect(bus_config(config, url, "purser-migrate")).await.context("amqp.url")?;
            Topology::purser().declare(&bus).await.context("topology")?;
            bus.close().await;
        }
        let has_topology = config.amqp.url.is_some();
        if self.json {
            return table::print_json(&serde_json::json!({"has_topology": has_topology}));
        }
        if has_topology {
            println!("limits are policies, which AMQP can't set: import deploy/rabbitmq/definitions.json once");
        }
        Ok(())
    }
}

/// Brings the database to this version's state; safe to run again, also while roles work, and by several at once.
async fn migrate_database(config: &Config) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(owner_url(config)?).await.context("database.url: no connection")?;
    // Two at once would make the same roles and schemas.
    sqlx::query("SELECT pg_advisory_lock(hashtextextended('purser.migrate', 0))").execute(&mut connection).await?;
    sqlx::raw_sql(LOCK_TIMEOUT).execute(&mut connection).await?;
    sqlx::raw_sql(BOOTSTRAP).execute(&mut connection).await.context("roles and schemas")?;
    set_passwords(config, &mut connection).await?;

    sqlx::raw_sql("SET search_path TO history").execute(&mut connection).await?;
    history::LOG_MIGRATOR.run(&mut connection).await.context("migrations of schema history")?;
    sqlx::query("SELECT history.make_partitions($1, $2)")
        .bind(SystemClock.now().date_naive().with_day(1).context("the clock shows no date")?)
        .bind(MONTHS_AHEAD)
        .execute(&mut connection)
        .await
        .context("partitions of the history")?;

    let journal = Some(&history::JOURNAL_MIGRATOR);
    as_role(&mut connection, "gateway", "auth", None, &gateway::MIGRATOR).await?;
    as_role(&mut connection, "provisioner", "provisioner", journal, &provisioner::MIGRATOR).await?;
    as_role(&mut connection, "metering", "metering", journal, &metering::MIGRATOR).await?;
    as_role(&mut connection, "billing", "billing", journal, &billing::MIGRATOR).await?;
    sqlx::raw_sql(VIEWS).execute(&mut connection).await.context("views over several schemas")?;
    connection.close().await?;
    Ok(())
}

/// Runs a schema's migrations as the role that owns it, so that what they make is the role's.
async fn as_role(
    connection: &mut PgConnection,
    role: &str,
    schema: &str,
    journal: Option<&Migrator>,
    own: &Migrator,
) -> anyhow::Result<()> {
    let enter = format!("SET ROLE purser_{role}; SET search_path TO {schema}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(enter)).execute(&mut *connection).await.with_context(|| role.to_owned())?;
    for migrator in journal.into_iter().chain([own]) {
        let context = || format!("migrations of schema {schema}; what was done before stays done, run it again");
        migrator.run(&mut *connection).await.with_context(context)?;
    }
    sqlx::raw_sql("RESET ROLE; RESET search_path").execute(connection).await?;
    Ok(())
}

/// Gives each database role the password that its section's URL has, where it can't log in with it yet.
async fn set_passwords(config: &Config, connection: &mut PgConnection) -> anyhow::Result<()> {
    for role in config.configured_roles() {
        let Some(url) = config.database_url_of(role) else { continue };
        let options = PgConnectOptions::from_str(url.expose_secret())
            .with_context(|| format!("{role}.database_url can't be read"))?;
        let expected = format!("purser_{role}");
        anyhow::ensure!(
            options.get_username() == expected,
            "{role}.database_url must log in as {expected}, not as {}",
            options.get_username()
        );
        match options.connect().await {
            Ok(_) => continue,
            Err(error) if is_login_refusal(&error) => {}
            Err(error) => return Err(error).with_context(|| format!("{role}.database_url: no connection")),
        }
        let password = password_of(url).with_context(|| {
            format!("{role}.database_url has no password, and the database role can't log in without")
        })?;
        let statement = format!("ALTER ROLE {expected} PASSWORD '{}'", password.replace('\'', "''"));
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&mut *connection)
            .await
            .with_context(|| format!("the password of the database role {expected} can't be set"))?;
        options.connect().await.with_context(|| format!("{role}.database_url: no connection with the new password"))?;
    }
    Ok(())
}

/// Whether PostgreSQL knows the role but not the password (SQLSTATE class 28).
fn is_login_refusal(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code.starts_with("28"))
}

fn password_of(url: &SecretString) -> Option<String> {
    let url = url::Url::parse(url.expose_secret()).ok()?;
    Some(percent_encoding::percent_decode_str(url.password()?).decode_utf8().ok()?.into_owned())
}
