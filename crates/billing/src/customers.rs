//! Customers, as operators add them.

use history::{Failure, Journal, Record};
use messages::{CustomerChanged, EventData, Subject};
use model::{Currency, CustomerId};
use rust_decimal::Decimal;
use serde::Serialize;

use crate::store;

/// A customer to add or to change.
#[derive(Debug, Clone, Serialize)]
pub struct NewCustomer {
    /// The number that the company's other systems use too.
    pub id: CustomerId,
    /// Where invoices go.
    pub email: String,
    /// ISO 3166-1, two letters, upper-case.
    pub country: String,
    /// What they pay in.
    pub currency: Currency,
    /// The operator's entity that bills them.
    pub billing_entity: String,
    /// As invoices show it.
    pub name: String,
    /// As invoices show it; may have several lines.
    pub address: String,
    /// As invoices show it.
    pub vat_id: String,
    /// Whether they pay no tax.
    pub is_tax_exempt: bool,
    /// How much they may owe, in their currency; without a limit where there is none.
    pub credit_limit: Option<Decimal>,
}

/// Why a customer can't be added.
#[derive(Debug, thiserror::Error)]
pub enum CustomerError {
    /// A field doesn't have its form.
    #[error("{0}")]
    Invalid(String),
    /// The database.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl NewCustomer {
    fn check(&self) -> Result<(), CustomerError> {
        let invalid = |message: String| Err(CustomerError::Invalid(message));
        if self.id.0 < 1 {
            return invalid(format!("a customer's id is a positive number, not {}", self.id));
        }
        if self.country.len() != 2 || !self.country.bytes().all(|b| b.is_ascii_uppercase()) {
            return invalid(format!("a country is two upper-case letters, for example NL, not {:?}", self.country));
        }
        if !self.email.contains('@') {
            return invalid(format!("an e-mail address has an @, unlike {:?}", self.email));
        }
        if self.billing_entity.is_empty() {
            return invalid("the billing entity must not be empty".to_owned());
        }
        if self.credit_limit.is_some_and(|limit| limit.is_sign_negative() && !limit.is_zero()) {
            return invalid("the credit limit must not be negative".to_owned());
        }
        Ok(())
    }
}

/// Adds a customer, or changes the one with this id. True: they are new.
pub async fn add(journal: &Journal, customer: &NewCustomer) -> Result<bool, CustomerError> {
    customer.check()?;
    let mut step = journal.step().await?;
    let now = step.now();
    let is_new = store::customers::upsert(step.connection(), customer, now).await?;
    step.record(Record {
        event: if is_new { "customer.added" } else { CustomerChanged::EVENT },
        subject: Subject::Customer(customer.id),
        customer_id: Some(customer.id),
        actor: "operator",
        description: format!("Customer {} {}", customer.id, if is_new { "added" } else { "changed" }),
        data: &CustomerChanged {
            id: customer.id,
            email: customer.email.clone(),
            country: customer.country.clone(),
            currency: customer.currency,
            billing_entity: customer.billing_entity.clone(),
        },
        traceparent: None,
    })
    .await?;
    step.commit().await?;
    Ok(is_new)
}
