//! The tables of the schema `provisioner`.

use sqlx::migrate::Migrator;

/// Run with the role `purser_provisioner` and its schema as `search_path`.
pub static MIGRATOR: Migrator = sqlx::migrate!();
