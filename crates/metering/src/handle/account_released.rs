//! `account.released`: the account never was a customer's; its samples go with it.

use async_trait::async_trait;
use history::{Failure, Step};
use messages::{AccountReleased, Event};
use runtime::Consume;

use crate::{Metering, store};

#[async_trait]
impl Consume<AccountReleased> for Metering {
    async fn consume(&self, step: &mut Step, _event: &Event, data: AccountReleased) -> Result<(), Failure> {
        store::samples::forget(step.connection(), &data.s3uid).await
    }
}
