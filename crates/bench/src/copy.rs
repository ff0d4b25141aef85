//! Rows of tables as text, to be copied into tables like them: the least that writing them can cost.

use anyhow::{Context, Result};
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, PgConnection};

const SCHEMA: &str = "floor";

/// Rows that were taken from some tables, and empty tables with the same columns and indexes; foreign keys, triggers and
/// partitions they have none.
#[derive(Debug)]
pub(crate) struct Copies {
    tables: Vec<Table>,
}

#[derive(Debug)]
struct Table {
    name: String,
    rows: Vec<u8>,
    count: usize,
}

impl Copies {
    /// Takes rows: each of `tables` has a table's name with its schema, and a condition.
    pub(crate) async fn take(connection: &mut PgConnection, tables: &[(&str, String)]) -> Result<Self> {
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))).execute(&mut *connection).await?;
        let mut taken = Vec::with_capacity(tables.len());
        for (table, condition) in tables {
            let name = format!("{SCHEMA}.{}", table.replace('.', "_"));
            let make = format!("DROP TABLE IF EXISTS {name}; CREATE TABLE {name} (LIKE {table} INCLUDING ALL)");
            sqlx::raw_sql(AssertSqlSafe(make)).execute(&mut *connection).await?;
            let select = format!("COPY (SELECT * FROM {table} WHERE {condition}) TO STDOUT");
            let parts = connection.copy_out_raw(&select).await.with_context(|| format!("reading {table}"))?;
            let rows = parts.try_fold(Vec::new(), |mut rows, part| {
                rows.extend_from_slice(&part);
                std::future::ready(Ok(rows))
            });
            let rows = rows.await?;
            // Each row ends with a line feed.
            let count = rows.split(|byte| *byte == b'\n').count() - 1;
            taken.push(Table { name, rows, count });
        }
        Ok(Self { tables: taken })
    }

    /// Empties the tables.
    pub(crate) async fn clear(&self, connection: &mut PgConnection) -> Result<()> {
        let names: Vec<&str> = self.tables.iter().map(|table| table.name.as_str()).collect();
        let truncate = format!("TRUNCATE {}", names.join(", "));
        sqlx::raw_sql(AssertSqlSafe(truncate)).execute(connection).await?;
        Ok(())
    }

    /// Copies the rows into the tables, which are empty.
    pub(crate) async fn write(&self, connection: &mut PgConnection) -> Result<()> {
        for Table { name, rows, .. } in &self.tables {
            let mut copy = connection.copy_in_raw(&format!("COPY {name} FROM STDIN")).await?;
            copy.send(rows.as_slice()).await?;
            copy.finish().await.with_context(|| format!("copying into {name}"))?;
        }
        Ok(())
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.tables.iter().map(|table| table.count).sum()
    }
}
