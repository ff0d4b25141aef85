//! `account.deleted`: nothing is stored any more. What was transferred stays: it is still to be paid for.

use async_trait::async_trait;
use history::{Failure, Step};
use messages::{AccountDeleted, Event};
use runtime::Consume;

use crate::{Metering, store};

#[async_trait]
impl Consume<AccountDeleted> for Metering {
    async fn consume(&self, step: &mut Step, event: &Event, data: AccountDeleted) -> Result<(), Failure> {
        store::usage::replace_buckets(step.connection(), &data.s3uid, &[], event.time).await?;
        store::days::add(step.connection(), &data.s3uid, 0, event.time).await
    }
}
