//! The journal, its commands and its relay against real PostgreSQL.

mod answers;
mod crashes;
mod database_commands;
mod failures;
mod fixture;
mod intents;
mod log;
mod outside;
mod relay;
mod relay_takeover;
mod waiting;
