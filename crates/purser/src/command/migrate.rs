//! `purser migrate`.

use std::str::FromStr;

use anyhow::Context;
use runtime::config::Config;
use secrecy::ExposeSecret;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

/// Brings everything to this version's state; safe to run again.
pub(super) async fn run(config: &Config) -> anyhow::Result<()> {
    run_in_schema(config, "auth", &gateway::MIGRATOR).await
}

/// Makes the schema and runs one set of migrations in it.
async fn run_in_schema(config: &Config, schema: &str, migrator: &Migrator) -> anyhow::Result<()> {
    let database = config.database.as_ref().context("this command needs the section [database] with url")?;
    let options = PgConnectOptions::from_str(database.url.expose_secret())
        .context("database.url can't be read")?
        .options([("search_path", schema)]);
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.context("database.url")?;
    let create = format!("CREATE SCHEMA IF NOT EXISTS {schema}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&pool).await.with_context(|| format!("schema {schema}"))?;
    migrator.run(&pool).await.with_context(|| format!("migrations of schema {schema}"))?;
    pool.close().await;
    Ok(())
}
