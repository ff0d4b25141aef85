//! Customers, as far as billing needs them.

use model::{Currency, CustomerId};

/// A customer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Customer {
    pub(crate) id: CustomerId,
    pub(crate) currency: Currency,
    /// ISO 3166-1, two letters, upper-case.
    pub(crate) country: String,
}
