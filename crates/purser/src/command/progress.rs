//! What takes long shows on stderr that it goes on, where that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

const INTERVAL: Duration = Duration::from_millis(200);

/// Shows for how long something is under way.
pub(super) fn spinner(what: &'static str) -> ProgressBar {
    shown(ProgressBar::new_spinner(), "{spinner} {msg}, {elapsed}").with_message(what)
}

/// Shows how many of `total` things are done.
pub(super) fn bar(total: usize, what: &'static str) -> ProgressBar {
    let total = u64::try_from(total).unwrap_or(u64::MAX);
    shown(ProgressBar::new(total), "{wide_bar} {pos}/{len} {msg}, {elapsed}").with_message(what)
}

/// How many things are done, where nobody knows how many there are.
pub(super) fn counter(what: &'static str) -> ProgressBar {
    shown(ProgressBar::new_spinner(), "{spinner} {pos} {msg}, {per_sec}, {elapsed}").with_message(what)
}

fn shown(bar: ProgressBar, template: &str) -> ProgressBar {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(INTERVAL);
    bar
}
