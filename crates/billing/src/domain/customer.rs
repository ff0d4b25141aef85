//! Customers, as far as billing needs them.

use model::{Currency, CustomerId, Money};

/// A customer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Customer {
    pub(crate) id: CustomerId,
    pub(crate) currency: Currency,
    /// ISO 3166-1, two letters, upper-case.
    pub(crate) country: String,
    pub(crate) is_tax_exempt: bool,
    /// How much they may owe; as much as they like where there is none.
    pub(crate) credit_limit: Option<Money>,
    /// The operator's entity that bills them; its invoices are numbered apart.
    pub(crate) billing_entity: String,
}

/// What a customer owes, and has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Standing {
    /// What is open of their invoices.
    pub(crate) open: Money,
    /// What the first invoices of their orders will say, net, that aren't issued yet.
    pub(crate) uninvoiced: Money,
    /// Whether anything is past its due date, in whatever currency.
    pub(crate) is_overdue: bool,
    /// What they have paid too much.
    pub(crate) credit: Money,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn customer(country: &str) -> Customer {
        Customer {
            id: CustomerId(7),
            currency: Currency::EUR,
            country: country.to_owned(),
            is_tax_exempt: false,
            credit_limit: None,
            billing_entity: "NL".to_owned(),
        }
    }
}
