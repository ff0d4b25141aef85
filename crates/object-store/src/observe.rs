//! What calls to RGW show of themselves in `/metrics`.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use reqwest::Method;

const CALLS: &str = "purser_rgw_admin_calls_total";
const SECONDS: &str = "purser_rgw_admin_call_seconds";

/// Explains the metrics to whoever reads `/metrics`.
pub fn describe_metrics() {
    describe_counter!(CALLS, Unit::Count, "Calls of RGW's Admin Ops, by method and resource");
    describe_histogram!(
        SECONDS,
        Unit::Seconds,
        "Time of a call of RGW's Admin Ops, by resource and by whether RGW answered it, failed (5xx), or gave no answer"
    );
}

/// A call begins. A resource is one of the API's own names, such as `user`.
pub(crate) fn begins(method: &Method, resource: &str) {
    counter!(CALLS, "method" => method.to_string(), "resource" => resource.to_owned()).increment(1);
}

/// It has ended with this status, or without an answer.
pub(crate) fn ends(resource: &str, status: Option<u16>, took: Duration) {
    let outcome = match status {
        Some(500..) => "failed",
        Some(_) => "answered",
        None => "no_answer",
    };
    histogram!(SECONDS, "resource" => resource.to_owned(), "outcome" => outcome).record(took.as_secs_f64());
}
