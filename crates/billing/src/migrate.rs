//! The tables of the schema `billing`.

use sqlx::migrate::Migrator;

/// Run with the role `purser_billing` and its schema as `search_path`.
pub static MIGRATOR: Migrator = sqlx::migrate!();
