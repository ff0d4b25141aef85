//! What every role's process needs around its work: configuration, telemetry, lifecycle, health.

pub mod config;
pub mod health;
pub mod lifecycle;
pub mod service_manager;
pub mod telemetry;
pub mod traces;

mod observe;
mod pipeline;
mod role;
mod routes;
mod shares;

pub use lifecycle::Shutdown;
pub use pipeline::TrustedPublishers;
pub use role::Role;
pub use routes::{Consume, Query, Routes};
