//! Pure rules of the front door: what a request says, and what its answer looks like.

pub(crate) mod answer;
pub(crate) mod call;
pub(crate) mod parameters;
pub(crate) mod trace_context;
