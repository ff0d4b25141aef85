//! Migrations of what this crate keeps, each set with its own bookkeeping table.

use std::borrow::Cow;

use sqlx::migrate::Migrator;

/// The journal's tables, once per role; the connection's `search_path` must be the role's schema.
pub static JOURNAL_MIGRATOR: Migrator =
    Migrator { table_name: Cow::Borrowed("_journal_migrations"), ..sqlx::migrate!("migrations/journal") };

/// The log in the schema `history`; run by the database's owner with that schema as `search_path`.
pub static LOG_MIGRATOR: Migrator =
    Migrator { table_name: Cow::Borrowed("_log_migrations"), ..sqlx::migrate!("migrations/log") };
