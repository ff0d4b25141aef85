//! What a test has planned, and what was counted for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::NaiveDateTime;
use model::{Clock, SystemClock};

/// What is to become of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Planned {
    Refuse(String),
    Answer { status: u16, body: String },
    HangAfterEffect,
    CutAfterEffect,
}

/// Actions are in lower case here: WHMCS takes them in any.
#[derive(Debug, Default)]
pub(super) struct Controls {
    planned: BTreeMap<String, VecDeque<Planned>>,
    pub(super) forbidden: BTreeSet<String>,
    pub(super) access_key: Option<String>,
    pub(super) now: Option<NaiveDateTime>,
    pub(super) calls: BTreeMap<String, usize>,
    pub(super) violations: Vec<String>,
}

impl Controls {
    pub(super) fn plan(&mut self, action: &str, planned: Planned) {
        self.planned.entry(action.to_ascii_lowercase()).or_default().push_back(planned);
    }

    /// What is planned for the call of `action` that comes now.
    pub(super) fn next_planned(&mut self, action: &str) -> Option<Planned> {
        self.planned.get_mut(&action.to_ascii_lowercase())?.pop_front()
    }

    pub(super) fn count(&mut self, action: &str) {
        *self.calls.entry(action.to_ascii_lowercase()).or_default() += 1;
    }

    pub(super) fn now(&self) -> NaiveDateTime {
        self.now.unwrap_or_else(|| SystemClock.now().naive_utc())
    }
}
