//! Pure rules: no I/O, no clock.

pub(crate) mod finality;
pub(crate) mod notification;
pub(crate) mod quota;
pub(crate) mod report;
pub(crate) mod storage;
pub(crate) mod traffic;
pub(crate) mod wording;
