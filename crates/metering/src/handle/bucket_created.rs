//! `bucket.created`: the account's buckets have changed, so they are read again.

use async_trait::async_trait;
use history::{Failure, Step};
use messages::{BucketCreated, Event};
use runtime::Consume;

use crate::{Metering, sampling, store};

#[async_trait]
impl Consume<BucketCreated> for Metering {
    async fn consume(&self, step: &mut Step, _event: &Event, data: BucketCreated) -> Result<(), Failure> {
        // An account that was released meanwhile has nothing left to read.
        let Some(location) = store::accounts::location(step.connection(), &data.s3uid).await? else { return Ok(()) };
        let sample = sampling::read(self, step.connection(), &data.s3uid, &location).await?;
        sampling::write(step.connection(), &sample).await
    }
}
