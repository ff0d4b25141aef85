//! Issuing invoices and credit notes: in one transaction with their ledger entries and with how far the service is
//! invoiced, so that each happens once.

mod batch;
mod due;
mod issue;

use history::{Failure, Step};
use model::{MoneyError, ServiceId};

pub(crate) use self::batch::{Invoicing, invoice_some};
pub(crate) use self::due::due;
pub(crate) use self::issue::{Settled, compose, issue, settle_open};
use crate::domain::customer::Customer;
use crate::store;
use crate::store::due::Billed;

/// A service that is invoiced, with the customer; both are locked.
pub(crate) struct Account {
    pub(crate) billed: Billed,
    pub(crate) customer: Customer,
}

/// Reads a locked service for invoicing, and locks its customer.
pub(crate) async fn account(step: &mut Step, id: ServiceId) -> Result<Account, Failure> {
    let account = viewed(step, id).await?;
    store::customers::lock(step.connection(), account.customer.id).await?;
    Ok(account)
}

/// Reads a service as invoicing would, and locks nothing.
pub(crate) async fn viewed(step: &mut Step, id: ServiceId) -> Result<Account, Failure> {
    let account = viewed_all(step, &[id]).await?.pop();
    account.unwrap_or_else(|| Err(Failure::Unavailable(format!("service {id} is gone"))))
}

/// Reads services as invoicing would, in their order, and locks nothing. One that can't be read hides no other.
async fn viewed_all(step: &mut Step, ids: &[ServiceId]) -> Result<Vec<Result<Account, Failure>>, Failure> {
    let billed = store::due::billed(step.connection(), ids).await?;
    let customers: Vec<_> = billed.iter().flatten().map(|billed| billed.customer_id).collect();
    let customers = store::customers::find_all(step.connection(), &customers).await?;
    let accounts = billed.into_iter().map(|billed| {
        let billed = billed?;
        let customer = customers.get(&billed.customer_id.0).cloned();
        let customer =
            customer.ok_or_else(|| Failure::Unavailable(format!("customer {} is gone", billed.customer_id)))?;
        Ok(Account { billed, customer })
    });
    Ok(accounts.collect())
}

/// Sums that no decimal holds.
pub(crate) fn uncountable(error: &MoneyError) -> Failure {
    Failure::Unavailable(format!("an invoice can't be added up: {error}"))
}
