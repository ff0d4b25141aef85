//! What every role's process needs around its work: configuration, telemetry, lifecycle, health.

pub mod config;
pub mod health;
pub mod lifecycle;
pub mod telemetry;
