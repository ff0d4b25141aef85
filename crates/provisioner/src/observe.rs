//! What the provisioner shows of itself in `/metrics`.

use messages::DriftKind;
use metrics::{Unit, describe_gauge, gauge};
use model::Location;

const DRIFTS: &str = "purser_drifts";

/// Explains the metrics to whoever reads `/metrics`.
pub(crate) fn describe() {
    object_store::describe_metrics();
    describe_gauge!(DRIFTS, Unit::Count, "Differences between database and RGW, by location and kind");
}

pub(crate) fn drifts(location: &Location, kind: DriftKind, count: u32) {
    gauge!(DRIFTS, "location" => location.to_string(), "kind" => kind.as_str()).set(count);
}
