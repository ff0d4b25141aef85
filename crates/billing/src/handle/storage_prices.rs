//! `storage_prices`: what can be ordered, with the tax of the customer's country.

use async_trait::async_trait;
use history::Failure;
use messages::{ListPlans, Refusal, Request, Scope, StoragePlan, StoragePrices};
use model::CustomerId;
use runtime::Query;

use crate::domain::customer::Customer;
use crate::domain::{plan, storage};
use crate::{Billing, store};

#[async_trait]
impl Query<StoragePrices> for Billing {
    type Reply = Vec<StoragePlan>;

    async fn answer(&self, request: &Request, parameters: StoragePrices) -> Result<Vec<StoragePlan>, Failure> {
        let customer = self.storage_customer(request, parameters.id).await?;
        let mut connection = self.pool.acquire().await?;
        let plans = store::plans::newest(&mut connection, None).await?;
        let (principal, all) = (model::Principal::Customer(customer.id), ListPlans { id: None, location: None });
        let visible = plan::visible(plans, principal, Some(&customer), &all, None)?;
        let tax_percent = self.settings.tax_rates.percent(&customer, self.clock.now().date_naive());
        Ok(visible.iter().filter_map(|plan| storage::plan(plan, customer.currency, tax_percent)).collect())
    }
}

impl Billing {
    /// The customer whom a request of `/storage` is about.
    pub(super) async fn storage_customer(
        &self,
        request: &Request,
        id: Option<CustomerId>,
    ) -> Result<Customer, Failure> {
        let id = Scope::of(request.principal, id)?
            .customer_id()
            .ok_or_else(|| Refusal::new("id required: an administrator asks for a customer"))?;
        let customer = store::customers::find(&self.pool, id).await?;
        customer.ok_or_else(|| Refusal::not_found("customer not found").into())
    }
}
