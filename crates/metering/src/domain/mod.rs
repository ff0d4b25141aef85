//! Pure rules: no I/O, no clock.

pub(crate) mod window;
pub(crate) mod wording;
