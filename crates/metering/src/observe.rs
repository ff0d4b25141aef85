//! What metering shows of itself in `/metrics`.

use std::time::Duration;

use chrono::TimeDelta;
use messages::GapKind;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use model::Location;

const AVAILABLE: &str = "purser_location_available";
const SWEEP: &str = "purser_sweep_seconds";
const GAPS: &str = "purser_usage_gaps_total";
const LOG_ROUND: &str = "purser_usage_log_round_seconds";
const LOG_OPEN: &str = "purser_usage_log_open_seconds";
const NOTIFICATIONS: &str = "purser_bucket_notifications_total";
const UNREAD: &str = "purser_bucket_notifications_unread_total";

/// Explains the metrics to whoever reads `/metrics`, and begins those counters that an alert or a rate is about: one that
/// begins with its first event has no increase.
pub(crate) fn describe<'a>(locations: impl IntoIterator<Item = &'a Location>) {
    object_store::describe_metrics();
    describe_gauge!(AVAILABLE, Unit::Count, "Whether a location's RGW answers: 1, or 0");
    describe_histogram!(SWEEP, Unit::Seconds, "Time of a sweep over the accounts whose turn has come");
    describe_counter!(GAPS, Unit::Count, "Gaps in RGW's usage log, by location and kind");
    describe_histogram!(LOG_ROUND, Unit::Seconds, "Time of one reading of a location's usage log");
    describe_gauge!(LOG_OPEN, Unit::Seconds, "For how long before the running hour a location's usage isn't final");
    describe_counter!(NOTIFICATIONS, Unit::Count, "Notifications of changed buckets that RGW has sent");
    describe_counter!(
        UNREAD,
        Unit::Count,
        "Accounts whose changed buckets could not be read, by location; the sweep reads them"
    );
    counter!(NOTIFICATIONS).increment(0);
    for location in locations {
        counter!(UNREAD, "location" => location.to_string()).increment(0);
        for kind in GapKind::ALL {
            counter!(GAPS, "location" => location.to_string(), "kind" => kind.as_str()).increment(0);
        }
    }
}

pub(crate) fn available(location: &Location, is_available: bool) {
    gauge!(AVAILABLE, "location" => location.to_string()).set(f64::from(u8::from(is_available)));
}

pub(crate) fn swept(took: Duration) {
    histogram!(SWEEP).record(took.as_secs_f64());
}

pub(crate) fn gap(location: &Location, kind: GapKind) {
    counter!(GAPS, "location" => location.to_string(), "kind" => kind.as_str()).increment(1);
}

pub(crate) fn log_read(location: &Location, took: Duration) {
    histogram!(LOG_ROUND, "location" => location.to_string()).record(took.as_secs_f64());
}

pub(crate) fn log_open(location: &Location, lag: TimeDelta) {
    gauge!(LOG_OPEN, "location" => location.to_string()).set(lag.max(TimeDelta::zero()).as_seconds_f64());
}

pub(crate) fn notified() {
    counter!(NOTIFICATIONS).increment(1);
}

pub(crate) fn unread(location: &Location) {
    counter!(UNREAD, "location" => location.to_string()).increment(1);
}
