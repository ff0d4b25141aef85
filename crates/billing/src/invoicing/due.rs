//! When a service's next document is due, and what it is about.

use chrono::{Days, NaiveDate};
use model::Timestamp;

use crate::Settings;
use crate::domain::charge::Extent;
use crate::domain::schedule::midnight;
use crate::store::due::Billed;

/// After its last document a service has one more, should its usage have been corrected meanwhile.
const CLOSING_DAYS: u64 = 35;

/// What the next document of a service is about.
pub(crate) struct Due {
    pub(crate) occasion: String,
    pub(crate) extent: Extent,
    /// Its first day; it is due from then on.
    pub(crate) from: NaiveDate,
    /// When the one after it is due; `None` where it is the last.
    pub(crate) next: Option<NaiveDate>,
    /// The usage before this day must be final first.
    pub(crate) needs_usage_until: NaiveDate,
    /// Without its usage a period isn't over for a service that has ended.
    pub(crate) is_last: bool,
}

/// The next document of a service.
pub(crate) fn due(billed: &Billed) -> Due {
    let (life, number) = (&billed.life, billed.invoiced_periods + 1);
    let period = life.schedule.period(number);
    let is_over = life.charged_until.is_some_and(|end| end <= period.start);
    if let (true, Some(used_until)) = (is_over, life.used_until) {
        let closing = used_until + Days::new(CLOSING_DAYS);
        let is_closing = billed.next_invoice_at.is_some_and(|at| at >= midnight(closing));
        return Due {
            occasion: if is_closing { "closing" } else { "final" }.to_owned(),
            extent: Extent { periods: billed.invoiced_periods, usage_until: used_until },
            from: if is_closing { closing } else { used_until },
            next: (!is_closing).then_some(closing),
            needs_usage_until: used_until,
            is_last: true,
        };
    }
    Due {
        occasion: format!("period {number}"),
        extent: Extent { periods: number, usage_until: period.start },
        from: period.start,
        next: Some(life.charged_until.map_or(period.end, |end| end.min(period.end))),
        needs_usage_until: if number == 1 { NaiveDate::MIN } else { period.start },
        is_last: false,
    }
}

/// The next document of a service, as it can be issued at `at` with usage that is final before `final_until`; `None` where
/// it waits for more.
pub(super) fn issuable(
    billed: &Billed,
    settings: &Settings,
    final_until: Option<NaiveDate>,
    at: Timestamp,
) -> Option<Due> {
    let mut due = due(billed);
    let final_until = final_until.unwrap_or(NaiveDate::MIN);
    if final_until >= due.needs_usage_until {
        return Some(due);
    }
    let is_late = midnight(due.from) + settings.usage_patience <= at && !due.is_last;
    // What isn't final is charged once it is, with a later document.
    due.extent.usage_until = final_until.max(billed.life.schedule.start);
    is_late.then_some(due)
}
