//! Pure rules of the front door: what a request says, and what its answer looks like.

pub(crate) mod call;
pub(crate) mod callback;
pub(crate) mod client_address;
pub(crate) mod fault;
pub(crate) mod login;
pub(crate) mod parameters;
pub(crate) mod storage_path;
