//! What billing shows of itself in `/metrics`. Amounts are no series: a series is a float.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use model::Currency;

use crate::domain::document::DocumentKind;
use crate::invoicing::Invoicing;

const DOCUMENTS: &str = "purser_documents_issued_total";
const RUN: &str = "purser_billing_run_seconds";
const SERVICES: &str = "purser_billing_run_services_total";
const FAILURES: &str = "purser_schedule_failures_total";

/// A part of what happens by itself, as it is called in `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    Orders,
    Terminations,
    Renewals,
    Invoices,
    Dunning,
}

impl Task {
    const ALL: [Self; 5] = [Self::Orders, Self::Terminations, Self::Renewals, Self::Invoices, Self::Dunning];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Terminations => "terminations",
            Self::Renewals => "renewals",
            Self::Invoices => "invoices",
            Self::Dunning => "dunning",
        }
    }
}

/// Explains the metrics to whoever reads `/metrics`, and begins the counters: one that begins with its first failure has no
/// increase that an alert could see.
pub(crate) fn describe() {
    describe_counter!(DOCUMENTS, Unit::Count, "Invoices and credit notes issued, by kind and currency");
    describe_histogram!(RUN, Unit::Seconds, "Time of a billing run that found something due");
    describe_counter!(
        SERVICES,
        Unit::Count,
        "Services that billing runs came to, by outcome; one may be met in many runs"
    );
    describe_counter!(
        FAILURES,
        Unit::Count,
        "Rounds of what happens by itself that broke off, by task; the next round is a second later"
    );
    for outcome in Invoicing::ALL {
        counter!(SERVICES, "outcome" => outcome.as_str()).increment(0);
    }
    for task in Task::ALL {
        counter!(FAILURES, "task" => task.as_str()).increment(0);
    }
    // Shown with nothing in it.
    let _ = histogram!(RUN);
}

pub(crate) fn issued(kind: DocumentKind, currency: Currency) {
    counter!(DOCUMENTS, "kind" => kind.as_str(), "currency" => currency.code().to_owned()).increment(1);
}

pub(crate) fn ran(took: Duration) {
    histogram!(RUN).record(took.as_secs_f64());
}

pub(crate) fn met(outcome: Invoicing) {
    counter!(SERVICES, "outcome" => outcome.as_str()).increment(1);
}

pub(crate) fn failed(task: Task) {
    counter!(FAILURES, "task" => task.as_str()).increment(1);
}
