//! `account.provision_failed`: nothing was made; the order fails and its caller is told why.

use async_trait::async_trait;
use history::{Failure, Step};
use messages::{AccountProvisionFailed, Event, Refusal};
use runtime::Consume;

use crate::domain::order::OrderState;
use crate::{Billing, deadlines, store};

#[async_trait]
impl Consume<AccountProvisionFailed> for Billing {
    async fn consume(&self, step: &mut Step, _event: &Event, data: AccountProvisionFailed) -> Result<(), Failure> {
        match store::orders::lock(step.connection(), data.order_id).await? {
            Some(order) if order.state == OrderState::Provisioning => {
                deadlines::fail(step, &order, &data.reason, Refusal::conflict).await
            }
            _ => Ok(()),
        }
    }
}
