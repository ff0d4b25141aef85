//! The tables of the schema `metering`.

use sqlx::migrate::Migrator;

/// Run with the role `purser_metering` and its schema as `search_path`.
pub static MIGRATOR: Migrator = sqlx::migrate!();
