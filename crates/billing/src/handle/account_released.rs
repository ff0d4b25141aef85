//! `account.released`: what was made for a failed order is gone. The history says so; there is nothing to change.

use async_trait::async_trait;
use history::{Failure, Step};
use messages::{AccountReleased, Event};
use runtime::Consume;

use crate::domain::order::OrderState;
use crate::{Billing, store};

#[async_trait]
impl Consume<AccountReleased> for Billing {
    async fn consume(&self, step: &mut Step, _event: &Event, data: AccountReleased) -> Result<(), Failure> {
        match store::orders::lock(step.connection(), data.order_id).await? {
            Some(order) if order.state != OrderState::Failed => Err(Failure::Unavailable(format!(
                "account {} was released, but its order {} has not failed",
                data.s3uid, data.order_id
            ))),
            _ => Ok(()),
        }
    }
}
