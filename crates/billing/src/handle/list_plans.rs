//! `list_plans`: what can be ordered, at what price.

use async_trait::async_trait;
use history::Failure;
use messages::{ListPlans, ListPlansReply, Request};
use runtime::Query;

use crate::domain::plan;
use crate::{Billing, store};

#[async_trait]
impl Query<ListPlans> for Billing {
    type Reply = ListPlansReply;

    async fn answer(&self, request: &Request, parameters: ListPlans) -> Result<ListPlansReply, Failure> {
        let location = match parameters.location.as_deref() {
            Some(name) => Some(self.settings.locations.resolve(Some(name))?),
            None => None,
        };
        let mut connection = self.pool.acquire().await?;
        let customer = match request.principal.customer_id() {
            Some(id) => store::customers::find(&mut *connection, id).await?,
            None => None,
        };
        let plans = store::plans::newest(&mut connection, None).await?;
        let plans = plan::visible(plans, request.principal, customer.as_ref(), &parameters, location.as_ref())?;
        Ok(ListPlansReply { plans: plans.iter().map(plan::reply).collect() })
    }
}
