//! Pure rules: no I/O, no clock.

pub(crate) mod account;
pub(crate) mod answers;
pub(crate) mod drift;
pub(crate) mod files;
pub(crate) mod sealing;
