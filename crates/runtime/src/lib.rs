//! Configuration, telemetry, lifecycle, health
