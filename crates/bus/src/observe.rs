//! What the bus shows of itself in `/metrics`.

use messages::ParkReason;
use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

const CONNECTED: &str = "purser_bus_connected";
const RETRIES: &str = "purser_bus_retries_total";
const POSTPONED: &str = "purser_bus_postponed_total";
const PARKED: &str = "purser_bus_parked_total";
const LET_GO: &str = "purser_bus_let_go_total";

/// Explains the metrics to whoever reads `/metrics`.
pub(crate) fn describe() {
    describe_gauge!(CONNECTED, Unit::Count, "Whether a connection to the broker is there: 1, or 0");
    describe_counter!(
        RETRIES,
        Unit::Count,
        "Messages that were put back for a later attempt, by the queue they came from"
    );
    describe_counter!(
        POSTPONED,
        Unit::Count,
        "Commands that were too many of one caller's and wait in the role's crowded queue, by the queue they came from"
    );
    describe_counter!(PARKED, Unit::Count, "Messages that were kept aside for a person, by queue and reason");
    describe_counter!(
        LET_GO,
        Unit::Count,
        "Messages that were given up because nothing more could be parked, by queue and reason"
    );
}

pub(crate) fn connected(connection: &str) -> Gauge {
    gauge!(CONNECTED, "connection" => connection.to_owned())
}

pub(crate) fn retries(queue: &str) -> Counter {
    counter!(RETRIES, "queue" => queue.to_owned())
}

pub(crate) fn postponed(queue: &str) -> Counter {
    counter!(POSTPONED, "queue" => queue.to_owned())
}

pub(crate) fn parked(queue: &str, reason: ParkReason) -> Counter {
    counter!(PARKED, "queue" => queue.to_owned(), "reason" => reason.as_str())
}

pub(crate) fn let_go(queue: &str, reason: ParkReason) -> Counter {
    counter!(LET_GO, "queue" => queue.to_owned(), "reason" => reason.as_str())
}

/// A counter that begins with its first message has no increase that an alert could see.
pub(crate) fn show_counters(queue: &str) {
    retries(queue).increment(0);
    postponed(queue).increment(0);
    for reason in ParkReason::ALL {
        parked(queue, reason).increment(0);
        let_go(queue, reason).increment(0);
    }
}
