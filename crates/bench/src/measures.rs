//! All measures, in the order of the report.

mod billing;
mod command;
mod events;
mod get_files;
mod growth;
mod metering;
mod peers;
mod query;
mod start_up;

use crate::measure::Measure;

/// How many operations are under way in the measures of requests.
const IN_FLIGHT: [usize; 3] = [1, 16, 128];

/// One file for each.
pub(crate) fn all() -> Vec<Box<dyn Measure>> {
    vec![
        Box::new(query::Query),
        Box::new(command::Command),
        Box::new(events::Events),
        Box::new(get_files::GetFiles),
        Box::new(peers::Peers),
        Box::new(metering::Metering),
        Box::new(billing::Billing),
        Box::new(growth::Growth),
        Box::new(start_up::StartUp),
    ]
}
